"""Recipes: TOML or a dictionary → frozen settings, with all mistakes reported at once."""

from __future__ import annotations

__all__ = ["TaskSource", "parse_recipe", "read_recipe", "recipe_from_dict"]

import copy
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gonkit.data import FOREIGN, Settings, Task, explain_validation_error
from gonkit.errors import GonkitError, RecipeError, failures_named, reading
from gonkit.imports import did_you_mean, import_class, resolve_class_path
from gonkit.recipe.consistency import check_consistency, not_utf8
from gonkit.recipe.overrides import Table, apply_override, keep_words, overridden, take_out_dates
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
        RecipeError: no such file, or all its mistakes.
        DamagedFileError: something else than text.
        GonkitError: a stored recipe that would run code that no run of the user's own has used.
    """
    path = Path(path)
    if not path.exists():
        names = (p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else ()
        raise RecipeError(f"{path}: no such recipe{did_you_mean(path.name, names)}")
    with reading(path, "a recipe"):
        text = path.read_bytes().decode()
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
    except (ValueError, RecursionError) as error:
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
    problems = [line for override in overrides for line in apply_override(table, override)]
    problems += take_out_dates(table)
    section_types: dict[str, type[Settings]] = {}
    if task_type is None:
        problems += _import_task_type(table, section_types, folder)
    else:
        section_types["signal"] = task_type
    section_types |= SECTIONS
    for override in overrides:
        keep_words(table, override, section_types)
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
            sections["signal"] = sections["signal"].as_foreign(overridden(overrides))
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
        written = json.dumps(keys, default=_as_text, ensure_ascii=False).encode()
        return section_type.model_validate_json(written, context={FOREIGN: foreign})
    except ValidationError:
        raise
    except UnicodeEncodeError as error:
        raise GonkitError(not_utf8(error)) from None
    except Exception:
        with failures_named(section_type.__name__):
            raise


def _as_text(value: Any) -> str:
    """Paths, in dictionaries."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a {type(value).__name__} in a recipe: {value!r}")


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
