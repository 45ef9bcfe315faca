"""Recipes: TOML or a dictionary → frozen settings, with all mistakes reported at once."""

from __future__ import annotations

__all__ = ["TaskSource", "parse_recipe", "read_recipe", "recipe_from_dict"]

import copy
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from gonkit.data import FOREIGN, Settings, Task, explain_validation_error
from gonkit.errors import GonkitError, RecipeError, failures_named
from gonkit.imports import did_you_mean, import_class, resolve_class_path
from gonkit.recipe.consistency import check_consistency
from gonkit.recipe.settings import (
    EvaluateSettings,
    FieldSettings,
    LatentSettings,
    LossSettings,
    PriorSettings,
    Recipe,
    TrainSettings,
)
from gonkit.recipe.trust import TaskSource, is_own, require_known_code

Table = dict[str, Any]
DATES = (date, time)  # a datetime is a date
SECTIONS: Mapping[str, type[Settings]] = {
    "field": FieldSettings,
    "latent": LatentSettings,
    "loss": LossSettings,
    "train": TrainSettings,
    "prior": PriorSettings,
    "evaluate": EvaluateSettings,
}
RENAMED_KEYS: Mapping[tuple[str, str], str] = {  # keys of earlier recipes
    ("field", "standardise"): "standardize",
    ("latent", "drop"): "dropout",
    ("train", "rows"): "max_points",
    ("train", "floor"): "lr_floor",
    ("train", "clip"): "grad_clip",
    ("signal", "colour"): "color",
    ("signal", "pattern"): "label",
}


def read_recipe(path: str | Path, overrides: Sequence[str] = (), *, stored: bool = False) -> Recipe:
    """Reads a recipe file.

    Args:
        path: of the TOML file.
        overrides: `section.key=value`, the value in TOML or a bare word.
        stored: whether it lies in a run folder; see `parse_recipe`.

    Raises:
        RecipeError: all its mistakes.
        GonkitError: a stored recipe that would run code that no run of the user's own has used.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        names = (p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else ()
        raise RecipeError(f"{path}: no such recipe{did_you_mean(path.name, names)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe: {error}") from None
    return parse_recipe(text, overrides, source=str(path), folder=path.parent, stored=stored)


def parse_recipe(
    text: str,
    overrides: Sequence[str] = (),
    *,
    source: str = "recipe",
    folder: Path | None = None,
    signal: TaskSource | None = None,
    stored: bool = False,
) -> Recipe:
    """A recipe from its text.

    Args:
        text: TOML.
        overrides: `section.key=value`.
        source: what messages call the recipe.
        folder: where a signal type's own file is looked for first.
        signal: instead of the recipe's; see `recipe_from_dict`.
        stored: whether it comes from a run or a model, of which anyone may be the author. Unless this user is, it may
            name no code but that of installed types, and `OwnRecipesOnly` settings have their defaults.

    Raises:
        RecipeError: all its mistakes.
        GonkitError: a stored recipe that would run code that no run of the user's own has used.

    Example:
        >>> text = '''
        ... name = "x"
        ... field.widht = 8
        ... signal.type = "signals.image:Image"
        ... '''
        >>> parse_recipe(text)
        Traceback (most recent call last):
        gonkit.errors.RecipeError: recipe: 1 mistake
          field.widht: there is no such key; did you mean 'width'?
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: not valid TOML: {error}") from None
    if stored:
        require_known_code(text, source=source, folder=folder, signal=signal)
    foreign = stored and not is_own(text)
    return recipe_from_dict(table, overrides, source=source, folder=folder, signal=signal, foreign=foreign)


def recipe_from_dict(
    table: Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    source: str = "recipe",
    folder: Path | None = None,
    signal: TaskSource | None = None,
    foreign: bool = False,
) -> Recipe:
    """A recipe from a dictionary with the keys of a recipe file; `signal` may also be a `Task` itself.

    Args:
        table: sections and their keys.
        overrides: `section.key=value`.
        source: what messages call the recipe.
        folder: where a signal type's own file is looked for first.
        signal: instead of the table's: a `Task`; or its class or `file.py:Class`, which take the table's settings.
        foreign: whether someone else wrote the table: `OwnRecipesOnly` settings have their defaults, and no data are
            read to fill in settings.

    Raises:
        RecipeError: all its mistakes.
    """
    table = dict(copy.deepcopy(table))
    task_type = _write_task(table, table.get("signal") if signal is None else signal)
    problems = [line for override in overrides for line in _apply_override(table, override)]
    problems += _take_out_dates(table)
    section_types: dict[str, type[Settings]] = {}
    if task_type is None:
        problems += _import_task_type(table, section_types, folder)
    else:
        section_types["signal"] = task_type
    section_types |= SECTIONS
    for override in overrides:
        _keep_words(table, override, section_types)
    for key in table.keys() - SECTIONS.keys() - {"name", "signal"}:
        problems.append(f"{key}: there is no such section{did_you_mean(key, ['name', 'signal', *SECTIONS])}")
    sections: Table = {}
    for name, section_type in section_types.items():
        problems += _take_out_renamed(table, name, section_type)
        try:
            sections[name] = _validate(section_type, table.get(name, {}), foreign)
        except ValidationError as error:
            problems += explain_validation_error(error, name, section_type)
        except GonkitError as error:
            problems.append(f"{name}: {error}")
    recipe = None
    if not problems:
        if foreign and not isinstance(signal, Task):
            sections["signal"] = sections["signal"].as_foreign(_overridden(overrides))
        sections = {name: settings.with_absolute_paths() for name, settings in sections.items()}
        try:
            recipe = Recipe(name=table.get("name", Path(source).stem), **sections)
            problems += check_consistency(recipe)
        except ValidationError as error:
            problems += explain_validation_error(error, "", Recipe)
    if problems or recipe is None:
        count = f"{len(problems)} mistake" + "s" * (len(problems) != 1)
        raise RecipeError(f"{source}: {count}\n" + "\n".join(f"  {problem}" for problem in problems))
    return recipe


def _validate(section_type: type[Settings], keys: Any, foreign: bool) -> Settings:
    """The settings; mistakes in the keys are a ValidationError, a mistake in a task's own validators a GonkitError."""
    try:
        return section_type.model_validate_json(json.dumps(keys), context={FOREIGN: foreign})
    except ValidationError:
        raise
    except Exception:
        with failures_named(section_type.__name__):
            raise


def _write_task(table: Table, task: Any) -> type[Task] | None:
    """Writes a task that was given as an object, a class or a name into the table; returns its class where it is known.

    The class of an object need not be importable, as in a notebook.
    """
    stored = table.get("signal")
    keys = stored if isinstance(stored, dict) else {}
    if isinstance(task, str) and task is not stored:
        table["signal"] = keys | {"type": resolve_class_path(task)}
    elif isinstance(task, type) and issubclass(task, Task):
        table["signal"] = keys | {"type": _class_path(task)}
        return task
    elif isinstance(task, Task):
        settings = task.model_dump(mode="json", by_alias=True, exclude_none=True, serialize_as_any=True)
        table["signal"] = settings | {"type": task.type or _class_path(type(task))}
        return type(task)
    return None


def _class_path(task_type: type[Task]) -> str:
    """How a recipe names a class: by its file, if it is that of a script that runs."""
    name = task_type.__module__
    file = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    if name == "__main__" and file.is_file():
        name = str(file.resolve())
    return f"{name}:{task_type.__qualname__}"


def _apply_override(table: Table, override: str) -> list[str]:
    key, equals, text = override.partition("=")
    *path, last = key.strip().split(".")
    if not equals or not last:
        return [f"--set {override}: must read section.key=value"]
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word
    if isinstance(value, DATES):  # no key takes one
        value = text.strip()
    for step in path:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            return [f"--set {override}: {step!r} is not a section"]
    table[last] = value
    return []


def _overridden(overrides: Sequence[str]) -> set[str]:
    """The dotted names of the task's settings that a user gives."""
    return {override.partition("=")[0].strip().removeprefix("signal.") for override in overrides}


def _take_out_dates(table: Any, place: str = "") -> list[str]:
    """Writes dates and times, which TOML has and no key takes, as text; a line for each."""
    lines = []
    for name, value in table.items() if isinstance(table, dict) else enumerate(table):
        key = f"{place}.{name}" if place else str(name)
        if isinstance(value, DATES):
            table[name] = str(value)
            lines.append(f'{key}: got the date or time {value}; if it is text, write "{value}" in quotation marks')
        elif isinstance(value, dict | list):
            lines += _take_out_dates(value, key)
    return lines


def _keep_words(table: Table, override: str, section_types: Mapping[str, type[Settings]]) -> None:
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


def _take_out_renamed(table: Table, section: str, section_type: type[Settings]) -> list[str]:
    """Removes keys of earlier recipes from a section; says what each is called now."""
    keys, problems = table.get(section), []
    if isinstance(keys, dict):
        for (where, old), new in RENAMED_KEYS.items():
            if where == section and old in keys and old not in section_type.model_fields:
                del keys[old]
                problems.append(f"{section}.{old}: this key is called {section}.{new} now")
    return problems


def _import_task_type(table: Table, section_types: dict[str, type[Settings]], folder: Path | None) -> list[str]:
    """Imports the task's class and writes its full name into the table, so that it is found again from anywhere."""
    section = table.get("signal")
    if not isinstance(section, dict) or not isinstance(section.get("type"), str):
        return ['signal.type: missing; name a signal type, as in type = "my_signals.py:Mine"']
    name = section["type"]
    try:
        task_type = import_class(name, Task, folder)
    except GonkitError as error:
        return [f"signal.type: {error}"]
    section["type"] = resolve_class_path(name, folder)
    section_types["signal"] = task_type
    return []
