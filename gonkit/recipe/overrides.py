"""Settings given on the command line, `section.key=value`."""

from __future__ import annotations

__all__ = ["Table", "apply_override", "keep_words"]

import tomllib
from collections.abc import Mapping
from datetime import date, time
from typing import Any, get_args

from gonkit.data import Settings

Table = dict[str, Any]


def apply_override(table: Table, override: str) -> list[str]:
    """Writes the value of `section.key=value` into a recipe's table; returns what is wrong with it."""
    key, equals, text = override.partition("=")
    *path, last = key.strip().split(".")
    if not equals or not last:
        return [f"--set {override}: must read section.key=value"]
    try:
        value, *others = tomllib.loads(f"value = {text}").values()
    except tomllib.TOMLDecodeError:
        value, others = text.strip(), []  # a bare word
    except (ValueError, RecursionError) as error:
        return [f"--set {override}: {error}"]
    if others:
        return [f"--set {override}: must be one value"]
    for step in path:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            return [f"--set {override}: {step!r} is not a section"]
    table[last] = value
    return []


def keep_words(table: Table, override: str, section_types: Mapping[str, type[Settings]]) -> None:
    """A number or date given to a key that takes text is text, as in `--set signal.data=2024`."""
    key, _, text = override.partition("=")
    section, _, name = key.strip().partition(".")
    keys = table.get(section)
    if (
        section not in section_types
        or not isinstance(keys, dict)
        or not isinstance(keys.get(name), int | float | date | time)
    ):
        return
    if (field := section_types[section].model_fields.get(name)) is not None:
        kinds = {field.annotation, *get_args(field.annotation)}
        if str in kinds and not kinds & {int, float, bool}:
            keys[name] = text.strip()
