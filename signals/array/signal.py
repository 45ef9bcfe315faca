"""Arrays: any values on a regular grid, described by settings alone."""

from __future__ import annotations

__all__ = ["Array"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy
import torch
from PIL import Image as pillow
from pydantic import Field, PositiveInt, ValidationInfo, model_validator
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import (
    DatasetInfo,
    Grid,
    InMemoryDataset,
    IsPath,
    Measures,
    Metric,
    Sections,
    Signal,
    SignalDataset,
    Split,
    StreamingDataset,
    evenly_spaced,
    may_read_data,
    nan_mask,
    observed_mask,
    split_indices,
)
from gonkit.errors import GonkitError
from signals.array import weather
from signals.array.files import ArrayFiles
from signals.array.preview import draw_array
from signals.array.sources import ArraySource, Layout, array_keys, open_source, read_array, to_values, widened

MAX_RESIDENT = 1 << 30  # bytes of a split that is kept in memory
MAX_MEASURED = 2_000  # signals whose values "auto" takes the range of
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Range = tuple[float, float]


class Array(Signal):
    """Values on a grid of one to four axes, each of which fills [-1, 1]: c = (i + ½)·2/n − 1.

    NaN, and the value `missing`, mark what was not observed. What is left open of `shape`, `channels_axis`, `axes`,
    `channel_names` and `value_range` is taken from the data when settings are made, and kept with a run.
    """

    data: Annotated[str, IsPath(unless=("weather",))] = "weather"
    """"weather" (2,000 sea surface temperatures with land, built in); an .npy, .npz, .h5 or .zarr of shape (N, *grid)
    or (N, *grid, C); or a folder of .npy files of one signal each."""
    key: str = ""
    """Name of the array in an .npz, HDF5 or Zarr file; empty for the only one beside labels and splits, or for
    `values`."""
    axes: list[str] = Field(default_factory=list, max_length=4)
    """Names of the grid's axes, as in ["time", "y", "x"]; an axis left over holds channels."""
    channels_axis: int | None = None
    """Which axis of a file's array holds channels: counted from 0, or from the end as −1. Empty: the last one, if
    `axes` leaves one over, or if it has at most four points; otherwise there is one channel."""
    channel_names: list[str] = Field(default_factory=list)
    """Names of the channels."""
    unit: str = ""
    """Of the values, for plots."""
    value_ranges: list[Range] | Range | Literal["auto"] = Field("auto", alias="value_range")
    """[lowest, highest] value, or one such pair for each channel; "auto" for those of the training signals."""
    missing: float | None = None
    """Value that marks what was not observed, as −9999, beside NaN."""
    shape: list[PositiveInt] = Field(default_factory=list, max_length=4)
    """Points along each axis of the grid; empty for those of the data."""
    label: str | None = None
    """How the files of a folder are labeled; see `gonkit.data.LabelRule`. Of one file: name of the array of N labels,
    whole numbers or words, in it, or of an .npy file beside it; None for `label`, if there is such an array."""
    split: str | None = None
    """Name of the array that says "train", "val" or "test" of each signal of one file, likewise; None for `split`, if
    there is such an array, and otherwise a random tenth each for val and test."""

    @model_validator(mode="after")
    def _describe(self, info: ValidationInfo) -> Self:
        """Fills in from the data what is left open."""
        if not self.shape or not self.axes or not self.channel_names or self.value_ranges == "auto":
            if not may_read_data(info):
                raise ValueError("shape, axes, channels, value_range: a model of someone else must say them")
            self.__dict__.update(self._describe_data())
        if len(self.ranges) != self.channels:
            raise ValueError(f"value_range: {len(self.ranges)} ranges for {self.channels} channels")
        if bad := [pair for pair in self.ranges if not pair[0] < pair[1]]:
            raise ValueError(f"value_range: the lowest value comes first, and below the highest; got {list(bad[0])}")
        return self

    @property
    def ranges(self) -> list[Range]:
        """Lowest and highest value of each channel."""
        assert self.value_ranges != "auto"  # measured when settings are made
        return self.value_ranges if isinstance(self.value_ranges, list) else [self.value_ranges] * self.channels

    @property
    def value_range(self) -> Range:  # type: ignore[override]
        lows, highs = zip(*self.ranges, strict=True)
        return min(lows), max(highs)

    @property
    def channels(self) -> int:
        return len(self.channel_names)

    @property
    def layout(self) -> Layout:
        """How a signal's array is arranged."""
        return Layout(tuple(self.shape), self.channels_axis, self.channels)

    def grid(self, resolution: int | None = None) -> Grid:
        """`resolution` points along the first axis, and along the others in proportion."""
        scale = 1.0 if resolution is None else resolution / self.shape[0]
        return Grid.centers(*(max(1, round(n * scale)) for n in self.shape))

    def resized(self, shape: Sequence[int]) -> Self:
        if len(shape) != len(self.shape):
            raise GonkitError(f"resolution: give one number, or one for each axis, {' × '.join(self.axes)}")
        return self.model_copy(update={"shape": list(shape)})

    def dataset(self, split: Split) -> SignalDataset:
        coords = self.grid().coords
        if self.data == "weather":
            fields = weather.make_weather()
            fields = fields[split_indices(len(fields), split)]
            return InMemoryDataset(Batch(coords, fields, observed_mask(fields)))
        source = self._source()
        if source.shape[1:] != self.layout.array_shape:
            raise GonkitError(f"{self.data}: signals of shape {source.shape[1:]}; wanted {self.layout.array_shape}")
        index = self._split_index(source, split)
        class_names, labels = self._classes(source)
        info = DatasetInfo(source.names, labels, class_names, self._note(source), files=source.files).subset(index)
        read = partial(_read_values, source, self.layout, self.missing)
        if len(index) * len(coords) * self.channels * 4 > MAX_RESIDENT:
            may_miss = source.dtype.kind == "f" or self.missing is not None
            missing = may_miss and any(read(number).isnan().any() for number in index.tolist())
            return StreamingDataset(read, index, self.grid(), replace(info, streams=True), missing=missing)
        values = torch.stack([read(number) for number in index.tolist()])
        return InMemoryDataset(Batch(coords, values, nan_mask(values), label=info.labels), info)

    def to_object(self, values: Tensor, resolution: int | None = None) -> numpy.ndarray[Any, Any]:
        """An array arranged as those of the data."""
        return self.layout.to_array(values.cpu().numpy())

    def preview(self, obj: numpy.ndarray[Any, Any]) -> pillow.Image:
        return draw_array(self.layout.to_dense(obj), self.ranges, self.axes[0], self.unit)

    @property
    def suggested_recipe(self) -> Sections:
        return {
            "field": {"width": 128, "omega": 10.0, "latent": "all", "series": 400},
            "latent": {"dim": 16, "refine": 3},
            "train": {"steps": 1500, "batch": 32, "optimizer": "muon", "learning_rate": 2e-3, "validate_every": 500},
        }

    @property
    def files(self) -> ArrayFiles:
        return ArrayFiles(self.to_object, self.preview, self.layout, self.key, self.missing)

    @property
    def measures(self) -> ArrayMeasures:
        return ArrayMeasures(self.channel_names)

    def _source(self) -> ArraySource:
        return open_source(
            Path(self.data).expanduser(), self.key, [self.label or "label", self.split or "split"], self.label
        )

    def _describe_data(self) -> dict[str, Any]:
        """What the data say about `shape`, `channels_axis`, `axes`, `channel_names` and `value_ranges`."""
        if self.data == "weather":
            layout, axes, ranges = Layout(weather.SHAPE, None, 1), list(weather.AXES), [weather.VALUE_RANGE]
        else:
            source, axis = self._source(), self.channels_axis
            try:
                layout = source.layout(self.axes, axis)
            except GonkitError as error:
                raise GonkitError(f"{self.data}: {error}") from None
            axes = self.axes or [f"axis {number}" for number in range(len(layout.shape))]
            index = self._split_index(source, "train")
            some = index[evenly_spaced(MAX_MEASURED, len(index))].tolist()
            ranges = _value_ranges(partial(_read_values, source, layout, self.missing), some, layout.channels)
        names = self.channel_names or (
            ["value"] if layout.channels == 1 else [f"channel {n}" for n in range(layout.channels)]
        )
        if len(names) != layout.channels:
            raise ValueError(f"channel_names: {len(names)} names for {layout.channels} channels")
        found = {
            "shape": list(layout.shape),
            "channels_axis": layout.channels_axis,
            "axes": axes,
            "channel_names": names,
        }
        return found | ({"value_ranges": ranges} if self.value_ranges == "auto" else {})

    def _split_index(self, source: ArraySource, split: Split) -> Tensor:
        """Numbers of the signals of a split."""
        if source.folder is not None:
            return source.folder.split(source.names, split)
        assigned = self._beside(source, "split")
        if assigned is None:
            try:
                return split_indices(len(source), split)
            except GonkitError as error:
                raise GonkitError(f"{self.data}: {error}") from None
        names = [SPLITS[int(x)] if x in (0, 1, 2) else str(x) for x in assigned.tolist()]
        if unknown := sorted(set(names) - set(SPLITS)):
            raise GonkitError(f"{self.data}: split: got {unknown[0]!r}; wanted train, val or test, or 0, 1 or 2")
        return torch.tensor([number for number, name in enumerate(names) if name == split], dtype=torch.int64)

    def _classes(self, source: ArraySource) -> tuple[tuple[str, ...], Tensor | None]:
        """Class names, and the label of each signal."""
        if source.folder is not None:
            names, labels = source.folder.classes(source.names)
            return names, None if labels is None else torch.tensor(labels)
        given = self._beside(source, "label")
        if given is None:
            return (), None
        classes, numbers = numpy.unique(given, return_inverse=True)
        return tuple(map(str, classes.tolist())), torch.from_numpy(numbers.astype(numpy.int64))

    def _beside(self, source: ArraySource, setting: Literal["label", "split"]) -> numpy.ndarray[Any, Any] | None:
        """The array (N,) that a setting names; None if it names none and there is none of its own name."""
        name, path = getattr(self, setting) or setting, source.path
        if name.endswith(".npy"):
            array = numpy.asarray(read_array(path.parent / name))
        elif name in array_keys(path):
            array = numpy.asarray(read_array(path, name)[:])
        elif getattr(self, setting) is None:
            return None
        else:
            raise GonkitError(
                f"{path}: {setting}: no array {name!r} in it; there are {', '.join(array_keys(path)) or 'none'}"
            )
        if array.dtype.kind in "SO":  # text in HDF5
            array = numpy.array([x.decode() if isinstance(x, bytes) else str(x) for x in array.tolist()])
        if array.shape != (len(source),) or array.dtype.kind not in "biuU":
            raise GonkitError(
                f"{path}: {setting}: wanted ({len(source)},) whole numbers or words; got {array.dtype} {array.shape}"
            )
        return array

    def _note(self, source: ArraySource) -> str:
        """How the data were read."""
        axes = " × ".join(f"{name} {n}" for name, n in zip(self.axes, self.shape, strict=True))
        axis = "" if self.channels_axis is None else f" along axis {self.channels_axis}"
        read = f"{len(source)} arrays read as {axes}, {self.channels} channel(s){axis}"
        return "; ".join([read, *(source.folder.remarks if source.folder else ())])


class ArrayMeasures(Measures):
    """Adds the root mean squared error of each channel, in its own unit, where there are several.

    Args:
        channel_names: of the channels.
    """

    def __init__(self, channel_names: Sequence[str]) -> None:
        self.channel_names = channel_names

    def metrics(self) -> Mapping[str, Metric]:
        if len(self.channel_names) == 1:
            return {}
        return {f"rmse_{name}": partial(_channel_rmse, number) for number, name in enumerate(self.channel_names)}


def _channel_rmse(channel: int, prediction: Tensor, values: Tensor) -> Tensor:
    return (prediction - values)[..., channel].square().flatten(1).mean(1).sqrt()


def _read_values(source: ArraySource, layout: Layout, missing: float | None, number: int) -> Tensor:
    """(P, C) of a signal by its number, NaN where it was not observed."""
    return to_values(source[number], layout, missing)


def _value_ranges(read: Callable[[int], Tensor], numbers: Sequence[int], channels: int) -> list[Range]:
    """Lowest and highest value of each channel of some signals."""
    low, high = torch.full((channels,), torch.inf), torch.full((channels,), -torch.inf)
    for number in numbers:
        values = read(number)
        low = torch.minimum(low, values.nan_to_num(torch.inf, torch.inf, torch.inf).amin(0))
        high = torch.maximum(high, values.nan_to_num(-torch.inf, -torch.inf, -torch.inf).amax(0))
    return [widened(*pair) for pair in zip(low.tolist(), high.tolist(), strict=True)]
