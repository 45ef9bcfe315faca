"""Settings that hold a signal type, and messages about settings that are wrong."""

from __future__ import annotations

__all__ = ["SignalField", "explain_validation_error"]

import json
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationError, ValidationInfo

from gonkit.data.settings import Settings
from gonkit.data.signal import Signal
from gonkit.imports import did_you_mean, import_class, resolve_class_path


def _parse_signal(value: Any, info: ValidationInfo) -> Signal:
    """A signal type and its settings, from a table with a `type` key."""
    if isinstance(value, Signal):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ValueError('missing its type; name a signal type, as in type = "my_signals.py:Mine"')
    name = resolve_class_path(value["type"])
    signal_type = import_class(name, Signal)
    try:
        return signal_type.model_validate_json(json.dumps(value | {"type": name}), context=info.context)
    except ValidationError as error:
        raise ValueError("; ".join(explain_validation_error(error, "", signal_type))) from None


SignalField = Annotated[Signal, PlainValidator(_parse_signal)]
"""A field that holds a signal type, given in the recipe as a table with a `type` key."""


def explain_validation_error(error: ValidationError, section: str, settings_type: type[Settings]) -> list[str]:
    """One line for each mistake: the dotted key, what came and what was expected.

    Args:
        error: of pydantic.
        section: of the recipe, empty for its top level.
        settings_type: whose keys were validated.
    """
    details = list(error.errors())
    literals = {
        detail["loc"][:-1]: detail for detail in details if str((detail["loc"] or ("",))[-1]).startswith("literal[")
    }
    lines = []
    for detail in details:  # a key that takes a word or another type has an error for each: they become one line
        literal = literals.get(detail["loc"][:-1])
        if literal is None:
            lines.append(_explain_one(detail, section, settings_type.model_fields))
        elif detail is not literal:
            line = _explain_one(dict(detail) | {"loc": detail["loc"][:-1]}, section, settings_type.model_fields)
            lines.append(f"{line}, or {literal['ctx']['expected']}")
    return lines


def _explain_one(detail: Any, section: str, known: Iterable[str]) -> str:
    key = ".".join(str(part) for part in (section, *detail["loc"]) if part != "")
    match detail["type"]:
        case "extra_forbidden":
            return f"{key}: there is no such key{did_you_mean(str(detail['loc'][-1]), known)}"
        case "missing":
            return f"{key}: missing, and it has no default"
        case "value_error":
            return f"{key}: {detail['ctx']['error']}"
        case _:
            text = detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            return f"{key}: got {detail['input']!r}; expected {text}"
