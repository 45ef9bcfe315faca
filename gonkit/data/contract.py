"""The contract of a signal type, to which a small batch of each split is held before anything is trained."""

from __future__ import annotations

__all__ = ["check_contract", "read_dataset"]

import math
import tempfile
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import torch
from PIL import Image as pillow
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data.dataset import DatasetInfo, SignalDataset
from gonkit.data.grid import Grid
from gonkit.data.signal import Signal, Task
from gonkit.data.splits import Split
from gonkit.errors import GonkitError, failures_named

NUM_SIGNALS = 2  # of each split that are looked at
TOLERANCE = 1e-3  # by which coordinates may leave [-1, 1]


def read_dataset(task: Task, split: Split) -> SignalDataset:
    """The signals of a split.

    Raises:
        GonkitError: a type or data set that is not as agreed, or an exception in the type, with its file and line.
    """
    _check_types(task)
    member = f"{type(task).__name__}.dataset"
    with failures_named(member):
        dataset = task.dataset(split)
    _require(
        isinstance(dataset, SignalDataset),
        f"{member}({split!r})",
        _kind(dataset),
        "a SignalDataset",
        "put a Batch into an InMemoryDataset",
    )
    return dataset


def check_contract(task: Task, datasets: Mapping[Split, SignalDataset]) -> None:
    """Holds a task's signal types and data sets to what the rest of gonkit relies on, in a fraction of a second.

    Looked at are the type's own members; two signals of each split; the type's metrics; and a signal and two made-up
    ones as objects, with their previews and a file for each suffix that the type writes.

    Args:
        task: what is to be learned.
        datasets: its signals.

    Raises:
        GonkitError: the first thing that is not as agreed: the member, what came, what was expected and what to do;
            or an exception in a member, with its file and line.
    """
    _check_types(task)
    for split, dataset in datasets.items():
        _check_dataset(task, split, dataset)
    _check_metrics(task.output_type, datasets["train"])
    signal, batch = task.output_type, datasets["train"].batch(torch.arange(1))
    with failures_named(f"{type(signal).__name__}.to_object"):
        objects = signal.decode_objects(_made_up_values(signal), 2)
        objects += signal.to_objects(batch.values) if signal.on_grid(batch) else []
    _check_previews(signal, objects)
    _check_files(signal, objects[0])


def _check_types(task: Task) -> None:
    """The types that are encoded and decoded, without their data."""
    name = type(task).__name__
    with failures_named(f"{name}.output_type"):
        types = [task.output_type, task.input_type]
    for signal in types[: 1 if types[0] is types[1] else 2]:
        _check_type(signal)


def _check_type(signal: Signal) -> None:
    """Channels, value range and grid."""
    name = type(signal).__name__
    with failures_named(f"{name}.channels"):
        channels = signal.channels
    _require(isinstance(channels, Integral) and channels > 0, f"{name}.channels", channels, "a whole number from 1")
    bounds: Any = signal.value_range
    ok = isinstance(bounds, tuple | list) and len(bounds) == 2 and all(isinstance(b, Real) for b in bounds)
    _require(
        ok and all(map(math.isfinite, bounds)) and bounds[0] < bounds[1],
        f"{name}.value_range",
        bounds,
        "(low, high), two finite numbers with low < high",
        "PSNR takes its peak from them",
    )
    with failures_named(f"{name}.grid"):
        grid = signal.grid()
    _require(isinstance(grid, Grid), f"{name}.grid()", _kind(grid), "a gonkit Grid of coords and their shape")
    _check_coords(f"{name}.grid().coords", grid.coords)


def _check_dataset(task: Task, split: Split, dataset: SignalDataset) -> None:
    """What is known about a split, and two of its signals as they are predicted, encoded and evaluated."""
    name, kind = f"the {split} signals of {type(task).__name__}", type(dataset).__name__
    with failures_named(f"{name}: {kind}.__len__"):
        count = len(dataset)
    _require(count > 0, f"{name}: len()", count, "a signal or more", "give more data, or divide it otherwise")
    _check_info(name, dataset.info, count)
    index = torch.arange(min(NUM_SIGNALS, count))
    with failures_named(f"{name}: {kind}.batch"):
        batch = dataset.batch(index)
    _check_batch(f"{name}: {kind}.batch()", batch, task.output_type, len(index))
    one, evaluate = index[:1], split != "train"
    with failures_named(f"{name}: {kind}.pair"):
        inputs, target = dataset.pair(one, evaluate=evaluate)
    encoded = task.input_type if task.has_separate_encoder else task.output_type
    _check_batch(f"{name}: {kind}.pair() input", inputs, encoded, 1)
    _check_batch(f"{name}: {kind}.pair() target", target, task.output_type, 1)
    source = 0 if target.source is None else target.source.shape[2]
    _require(
        source == task.conditioning_channels,
        f"{name}: {kind}.pair() target",
        f"a source of {source} channels",
        f"{task.conditioning_channels}, as conditioning_channels of {type(task).__name__} says",
    )


def _check_info(name: str, info: DatasetInfo, count: int) -> None:
    """Names and labels of a split."""
    _require(isinstance(info, DatasetInfo), f"{name}: info", _kind(info), "a gonkit.data.DatasetInfo")
    if info.names is not None:
        _require(len(info.names) == count, f"{name}: info.names", f"{len(info.names)} names", f"{count}, one for each")
    if info.labels is not None:
        _check_labels(f"{name}: labels", info.labels, count)
        highest, classes = int(info.labels.max()), len(info.class_names)
        _require(
            not classes or highest < classes,
            f"{name}: labels",
            f"a label {highest}",
            f"0 to {classes - 1}, since there are {classes} class_names",
            "name every class",
        )


def _check_labels(place: str, labels: Tensor, count: int) -> None:
    _require(isinstance(labels, Tensor), place, _kind(labels), "a torch tensor", "use torch.as_tensor")
    _require(labels.dtype == torch.int64, place, labels.dtype, "int64", "convert them with .long()")
    _require(labels.shape == (count,), place, tuple(labels.shape), f"({count},)")
    lowest = int(labels.min())
    _require(lowest >= 0, place, f"a label {lowest}", "classes numbered from 0", "leave out signals without one")


def _check_batch(place: str, batch: Batch, signal: Signal, count: int) -> None:
    """Types, shapes and ranges of a batch of `count` signals of a type."""
    _require(isinstance(batch, Batch), place, _kind(batch), "a gonkit Batch")
    _require(len(batch) == count, place, f"{len(batch)} signals", f"the {count} that were asked for")
    name, channels, dim = type(signal).__name__, signal.channels, signal.grid().dim
    values, coords = batch.values, batch.coords
    _require(values.dtype == torch.float32, f"{place} values", values.dtype, "float32", "convert them with .float()")
    _require(
        values.shape[2] == channels,
        f"{place} values",
        f"{values.shape[2]} channels",
        f"{channels}, as {name}.channels says",
        "correct one of them",
    )
    _require(
        coords.shape[-1] == dim,
        f"{place} coords",
        f"{coords.shape[-1]} coordinates per point",
        f"{dim}, as {name}.grid() has",
        "correct one of them",
    )
    _check_coords(f"{place} coords", coords)
    _require(
        batch.mask is None or bool(batch.mask.any()),
        f"{place} mask",
        f"False at every point of {count} signal(s)",
        "True where a value was observed",
        "leave out signals of which nothing was",
    )
    _require(
        bool(batch.observed_values.isfinite().all()),
        f"{place} values",
        "NaN or infinity",
        "finite numbers",
        "remove those signals, or mark the points as unobserved with a mask",
    )
    if batch.label is not None:
        _check_labels(f"{place} label", batch.label, count)


def _check_coords(place: str, coords: Tensor) -> None:
    _require(isinstance(coords, Tensor), place, _kind(coords), "a torch tensor", "use torch.as_tensor")
    _require(coords.dtype == torch.float32, place, coords.dtype, "float32", "convert them with .float()")
    lowest, highest = coords.min().item(), coords.max().item()
    _require(
        lowest >= -1 - TOLERANCE and highest <= 1 + TOLERANCE,
        place,
        f"{lowest:g} to {highest:g}",
        "-1 to 1",
        "scale them by 2·(c − low)/(high − low) − 1",
    )


def _check_metrics(signal: Signal, dataset: SignalDataset) -> None:
    """Each of the type's metrics, of two copies of a signal, which are given as evaluation gives them."""
    place = f"{type(signal).__name__}.measures.metrics()"
    with failures_named(place):
        metrics = signal.measures.metrics()
    _require(isinstance(metrics, Mapping), place, _kind(metrics), "a dictionary of functions by name")
    batch, grid = dataset.batch(torch.zeros(2, dtype=torch.int64)), signal.grid()
    if batch.mask is not None:  # of such signals the type's metrics are not taken
        return
    shape = grid.shape if batch.shares_coords and batch.values.shape[1] == len(grid) else batch.values.shape[1:2]
    values = batch.values.unflatten(1, shape)
    for name, metric in metrics.items():
        with failures_named(f"{place}[{name!r}]"):
            result: Any = metric(values * 0.9, values)
        is_good = isinstance(result, Tensor) and result.shape == (2,) and result.is_floating_point()
        got = f"{result.dtype} {tuple(result.shape)}" if isinstance(result, Tensor) else _kind(result)
        _require(
            is_good,
            f"{place}[{name!r}]",
            f"{got} for 2 signals",
            "a float tensor (2,), one number per signal",
            "average over all axes but the first",
        )


def _made_up_values(signal: Signal) -> Any:
    """A `DecodeFn` of two latents: a ball of the highest value in space of the lowest, and the other way round."""
    low, high = signal.value_range

    def decode(coords: Tensor, rows: slice) -> Tensor:
        distance = coords.norm(dim=-1) / math.sqrt(coords.shape[-1])
        ball = (1 + torch.cos(math.pi * distance)) / 2
        values = low + (high - low) * torch.stack((ball, 1 - ball))[rows]
        return values.unsqueeze(-1).repeat(1, 1, signal.channels)

    return decode


def _check_previews(signal: Signal, objects: list[Any]) -> None:
    """Previews of some objects, and how they are shown."""
    name = type(signal).__name__
    previews: list[Any] = []
    for obj in objects:
        with failures_named(f"{name}.preview"):
            previews.append(signal.preview(obj))
        _require(isinstance(previews[-1], pillow.Image), f"{name}.preview()", _kind(previews[-1]), "a PIL picture")
    sizes = [preview.size for preview in previews]
    _require(
        len(set(sizes)) == 1,
        f"{name}.preview()",
        f"pictures of {' and '.join(map(str, dict.fromkeys(sizes)))} pixels",
        "one size for one resolution",
        "resize them",
    )
    with failures_named(f"{name}.display.html"):
        shown: Any = signal.display.html("samples/made_up", previews[0])
    _require(isinstance(shown, str), f"{name}.display.html()", _kind(shown), "HTML text")


def _check_files(signal: Signal, obj: Any) -> None:
    """A file of each suffix that the type writes; that it refuses to write some object is its right."""
    name = type(signal).__name__
    with failures_named(f"{name}.files"):
        files = signal.files
    with tempfile.TemporaryDirectory() as folder:
        for suffix in files.write_suffixes:
            place = f"{name}.files.save() with {suffix}"
            try:
                with failures_named(place):
                    path: Any = files.save(obj, Path(folder, "made_up"), suffix)
            except GonkitError as error:
                if error.__cause__ is None:
                    continue
                raise
            is_good = isinstance(path, Path) and path.is_file() and path.name.endswith(suffix)
            _require(is_good, place, path, f"the path of the file that it wrote, which ends in {suffix}")


def _require(condition: bool, place: str, got: Any, expected: str, advice: str = "") -> None:
    """Raises a GonkitError unless a condition holds."""
    if not condition:
        raise GonkitError(f"{place}: got {got}; expected {expected}" + (f": {advice}" if advice else ""))


def _kind(value: Any) -> str:
    """What a value is, for a message."""
    return "None" if value is None else f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
