"""Natural objects (pictures, sounds, meshes ...): decoded from latents, of a data set's signals, and as files."""

from __future__ import annotations

__all__ = [
    "decode_objects",
    "input_objects",
    "iterate_objects",
    "reconstruct_objects",
    "reference_objects",
    "save_objects",
]

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import Resolution, Signal, SignalDataset, Task
from gonkit.errors import GonkitError
from gonkit.inference.encoding import encode_signals
from gonkit.nn import GON

GROUP = 16  # objects decoded together where many are written


def decode_objects(
    gon: GON, signal: Signal, latent: Tensor, resolution: Resolution | None = None, chunk: int | None = None
) -> list[Any]:
    """Objects of latents (B, K) at a resolution; `chunk` points go through the network at once."""

    def decode(coords: Tensor, rows: slice) -> Tensor:
        return gon.decode(latent[rows].to(gon.device), coords.to(gon.device), chunk=chunk).cpu()

    signal, number = signal.at_resolution(resolution)
    return signal.decode_objects(decode, len(latent), number)


def iterate_objects(
    gon: GON, signal: Signal, latent: Tensor, resolution: Resolution | None = None, chunk: int | None = None
) -> Iterator[Any]:
    """The same one after the other, a group at a time, so that memory does not grow with their number."""
    for group in latent.split(GROUP):
        yield from decode_objects(gon, signal, group, resolution, chunk)


def reconstruct_objects(
    gon: GON,
    task: Task,
    dataset: SignalDataset,
    index: Tensor,
    resolution: Resolution | None = None,
    chunk: int | None = None,
    *,
    at_origin: bool = False,
) -> list[Any]:
    """Predictions of the signals `index` (B,) of a data set, as objects of the task's output type.

    Args:
        gon: the network.
        task: what it learned.
        dataset: of that task.
        index: which signals.
        resolution: other than the training one.
        chunk: points that go through the network at once.
        at_origin: with the latent at the origin, for tasks with conditioning: predicted from the source alone.
    """
    latent = encode_signals(gon, dataset, index)
    signal = task.output_type
    if not task.conditioning_channels:
        return decode_objects(gon, signal, latent, resolution, chunk)
    inputs = dataset.inputs(index)
    if inputs is None:
        raise GonkitError(f"{type(dataset).__name__}.inputs: a task with conditioning needs its data set's inputs")
    signal, number = signal.at_resolution(resolution)
    coords = signal.grid(number).coords
    source = task.conditioning(inputs, coords).to(gon.device)
    latent = (torch.zeros_like(latent) if at_origin else latent).to(gon.device)
    return signal.to_objects(gon.decode(latent, coords.to(gon.device), source, chunk=chunk), number)


def reference_objects(task: Task, dataset: SignalDataset, index: Tensor) -> list[Any]:
    """The signals `index` (B,) themselves as objects; empty where their values do not make one."""
    own = dataset.references(index)
    if own is not None:
        return own
    return _batch_objects(task.output_type, dataset.batch(index))


def input_objects(task: Task, dataset: SignalDataset, index: Tensor) -> list[Any]:
    """What the signals `index` (B,) are converted from, as objects of the task's input type; empty for other tasks."""
    inputs = dataset.inputs(index)
    return [] if inputs is None else _batch_objects(task.input_type, inputs)


def _batch_objects(signal: Signal, batch: Batch) -> list[Any]:
    """Signals as objects, with NaN where nothing was observed; none where they do not lie on the type's grid."""
    if not signal.on_grid(batch):
        return []
    return signal.to_objects(batch.filled(torch.nan))


def save_objects(
    signal: Signal, objects: Iterable[Any], folder: Path, stem: str, suffix: str | None = None, *, count: int
) -> list[Path | None]:
    """Saves `count` objects as `stem_00`, `stem_01` and so on in a folder, each as soon as it is there.

    Returns:
        Their paths; None, with a note on stderr, for an object that cannot be written.
    """
    width = max(2, len(str(count - 1)))
    paths: list[Path | None] = []
    for index, obj in enumerate(objects):
        try:
            paths.append(signal.files.save(obj, folder / f"{stem}_{index:0{width}d}", suffix))
        except GonkitError as error:
            print(f"note: {error}", file=sys.stderr)
            paths.append(None)
    return paths
