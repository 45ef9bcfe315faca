"""The recipe of a run that is resumed, and what may change in it."""

from __future__ import annotations

__all__ = ["CHANGEABLE_KEYS", "read_stored_recipe"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gonkit.errors import GonkitError
from gonkit.files import read_json
from gonkit.inference import RECIPE_FILE
from gonkit.recipe import Recipe, read_recipe

VERSIONS_FILE = "versions.json"
CHANGEABLE_KEYS = (
    "train.steps",
    "train.learning_rate",
    "train.lr_floor",
    "train.log_every",
    "train.validate_every",
    "train.workers",
    "train.device",
)
"""Keys that may change when a run is resumed, beside the task's paths: where its data are."""


def read_stored_recipe(folder: Path, overrides: Sequence[str] = (), *, own_data: bool = False) -> Recipe:
    """The recipe of the run in a folder, to resume it.

    Args:
        folder: of the run.
        overrides: `section.key=value`, of `CHANGEABLE_KEYS` and of the task's paths.
        own_data: whether data sets are passed to `gonkit.train`.

    Raises:
        GonkitError: no run in the folder, or one whose data sets were passed to `gonkit.train` and now are not; or
            overrides that change other keys; or a recipe that would run code that no run of the user's own has used.
    """
    path = folder / RECIPE_FILE
    if not path.is_file():
        raise GonkitError(f"{folder}: no run to resume: there is no {RECIPE_FILE} in it")
    versions = folder / VERSIONS_FILE
    if not own_data and versions.is_file() and read_json(versions, "versions").get("own_data"):
        raise GonkitError(
            f"{folder}: this run's data sets were passed to gonkit.train; resume it with gonkit.train(..., "
            "dataset=..., out=..., resume=True)"
        )
    stored = read_recipe(path, stored=True)
    changed = read_recipe(path, overrides, stored=True) if overrides else stored
    before, now = (_flatten(recipe.model_dump(mode="json", serialize_as_any=True)) for recipe in (stored, changed))
    places = {f"signal.{name}" for name in changed.signal.path_fields()}
    lines = [
        f"{key}: {before.get(key)!r}, now {now.get(key)!r}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in CHANGEABLE_KEYS and key not in places
    ]
    if lines:
        listed, changeable = "\n  ".join(lines), ", ".join((*CHANGEABLE_KEYS, *sorted(places)))
        raise GonkitError(
            f"{folder}: a run that is resumed keeps these keys\n  {listed}\n"
            f"start a new run with them, or change only {changeable}"
        )
    return changed


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a table by their dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
