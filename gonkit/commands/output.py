"""What commands share: opening a model, writing objects, printing metrics and tables."""

from __future__ import annotations

__all__ = [
    "checked_suffix",
    "open_model",
    "print_json",
    "print_metrics",
    "print_table",
    "unique_stems",
    "write_decoded",
    "write_objects",
]

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonkit.errors import GonkitError

if TYPE_CHECKING:
    import argparse

    from torch import Tensor

    from gonkit.inference import Model


def open_model(options: argparse.Namespace) -> Model:
    """The model that a user names, on the device that they name."""
    from gonkit.devices import select_device
    from gonkit.inference import Model

    model = Model.load(options.run).to(select_device(options.device))
    if getattr(options, "accept_changed_data", False):  # of commands that read the data
        model = replace(model, data_file=None)
    if options.refine is not None:
        model.gon.refine = options.refine
    return model


def checked_suffix(model: Model, options: argparse.Namespace) -> str | None:
    """The suffix that a user asks for.

    Raises:
        GonkitError: the signal type does not write such files.
    """
    known, suffix = model.task.output_type.files.write_suffixes, options.suffix
    if suffix is not None and suffix not in known:
        name = type(model.task.output_type).__name__
        raise GonkitError(f"--suffix {suffix}: {name} files end in {' or '.join(known)}")
    return None if suffix is None else str(suffix)


def write_decoded(model: Model, latent: Tensor, options: argparse.Namespace, stem: str) -> None:
    """Decodes latents (B, K) and saves each object to `options.out` as soon as it is there; prints the paths."""
    from gonkit.inference import iterate_objects

    model.require("decode")
    signal = model.task.output_type
    objects = iterate_objects(model.gon, signal, latent, options.resolution, options.chunk)
    write_objects(model, objects, options, stem, count=len(latent))


def write_objects(model: Model, objects: Iterable[Any], options: argparse.Namespace, stem: str, *, count: int) -> None:
    """Saves `count` objects to `options.out` and prints their paths."""
    from gonkit.inference import save_objects

    suffix = checked_suffix(model, options)
    saved = save_objects(model.task.output_type, objects, options.out, stem, suffix, count=count)
    paths = [path for path in saved if path is not None]
    if not paths:
        raise GonkitError("nothing was written")
    print(f"{len(paths)} files: {paths[0]} to {paths[-1].name}" if len(paths) > 1 else str(paths[0]))


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """A file name for each path's result; files of the same name keep the name of their folder, or get a number."""
    stems = [path.stem for path in paths]
    longer = [f"{path.parent.name}_{path.name}" for path in paths]
    names = [stem if stems.count(stem) == 1 else long for stem, long in zip(stems, longer, strict=True)]
    return [name if names.count(name) == 1 else f"{name}_{number}" for number, name in enumerate(names)]


def print_json(value: Any) -> None:
    """Prints one JSON value, with null for what is infinite or not a number."""
    print(json.dumps(_finite(value)))


def print_metrics(metrics: Mapping[str, float | str | None], *, as_json: bool) -> None:
    """Prints metrics, one per line or as one JSON object."""
    if as_json:
        print_json(metrics)
        return
    width = max(map(len, metrics))
    for name, value in metrics.items():
        text = f"{value:.5g}" if isinstance(value, float) else value or "not possible here"
        print(f"{name:>{width}}  {text}")


def print_table(rows: Mapping[str, Mapping[str, str]], head: str) -> None:
    """Prints rows by name, in columns; a verdict comes last, at its full length."""
    columns = sorted(dict.fromkeys(name for row in rows.values() for name in row), key=lambda name: name == "verdict")
    lines = [[head, *columns], *([name, *(row.get(c, "") for c in columns)] for name, row in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=False)) + "  " + line[-1])


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
