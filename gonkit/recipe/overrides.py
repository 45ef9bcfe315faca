"""Settings given on the command line, `section.key=value`."""

from __future__ import annotations

__all__ = ["Table", "apply_override", "keep_words", "overridden", "take_out_dates"]

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any, get_args

from gonkit.data import Settings

Table = dict[str, Any]
DATES = (date, time)  # a datetime is a date


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
    if isinstance(value, DATES):  # no key takes one
        value = text.strip()
    if others:
        return [f"--set {override}: must be one value"]
    for step in path:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            return [f"--set {override}: {step!r} is not a section"]
    table[last] = value
    return []


def keep_words(table: Table, override: str, section_types: Mapping[str, type[Settings]]) -> None:
    """A number given to a key that takes text is text, as in `--set signal.data=2024`."""
    key, _, text = override.partition("=")
    section, _, name = key.strip().partition(".")
    keys = table.get(section)
    if section not in section_types or not isinstance(keys, dict) or not isinstance(keys.get(name), int | float):
        return
    if (field := section_types[section].model_fields.get(name)) is not None:
        kinds = {field.annotation, *get_args(field.annotation)}
        if str in kinds and not kinds & {int, float, bool}:
            keys[name] = text.strip()


def overridden(overrides: Sequence[str]) -> set[str]:
    """The dotted names of the task's settings that a user gives."""
    return {override.partition("=")[0].strip().removeprefix("signal.") for override in overrides}


def take_out_dates(table: Any, place: str = "") -> list[str]:
    """Writes dates and times, which TOML has and no key takes, as text; returns a line for each."""
    lines = []
    for name, value in table.items() if isinstance(table, dict) else enumerate(table):
        key = f"{place}.{name}" if place else str(name)
        if isinstance(value, DATES):
            table[name] = str(value)
            lines.append(f'{key}: got the date or time {value}; if it is text, write "{value}" in quotation marks')
        elif isinstance(value, dict | list):
            lines += take_out_dates(value, key)
    return lines
