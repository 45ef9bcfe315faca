"""What commands share: opening a model, writing objects, printing metrics and tables."""

from __future__ import annotations

__all__ = [
    "checked_suffix",
    "open_model",
    "print_json",
    "print_metrics",
    "print_table",
    "result_stems",
    "write_decoded",
    "write_objects",
]

import json
import math
import os
from collections.abc import Iterable, Mapping
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

    model = Model.load(options.run, options.signal, options.data).to(select_device(options.device))
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


def result_stems(paths: Iterable[Path]) -> dict[Path, Path]:
    """Where the result of each file is written, below the output folder and without a suffix; no two are the same.

    That is the file's name. If several files share one, all keep their place below the folder that they have in common,
    and if that is not enough, their suffix too. A file that is given twice is there once.

    Example:
        >>> list(map(str, result_stems([Path("a/x.png"), Path("b/y.png")]).values()))
        ['x', 'y']
        >>> list(map(str, result_stems([Path("data/a/x.png"), Path("data/b/x.png")]).values()))
        ['a/x', 'b/x']
        >>> list(map(str, result_stems([Path("data/x.png"), Path("data/x.bmp")]).values()))
        ['x.png', 'x.bmp']
    """
    files = {path.parent.resolve() / path.name: path for path in paths}
    common = os.path.commonpath([file.parent for file in files])
    places = [file.relative_to(common) for file in files]
    candidates = ([Path(place.stem) for place in places], [place.with_suffix("") for place in places], places)
    stems = next(stems for stems in candidates if len(set(stems)) == len(stems))
    return dict(zip(files.values(), stems, strict=True))


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
