"""Points: values at places of a signal's own, of different numbers from signal to signal."""

from __future__ import annotations

__all__ = ["Points"]

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy
import torch
from PIL import Image as pillow
from pydantic import Field, ValidationInfo, model_validator
from torch import Tensor

from gonkit.batch import Sample
from gonkit.data import (
    DataFile,
    DatasetInfo,
    FileVersions,
    Grid,
    IsPath,
    LabeledFolder,
    Sections,
    Signal,
    Split,
    file_versions,
    files_below,
    may_read_data,
    observed_mask,
    split_by_name,
)
from gonkit.errors import GonkitError
from signals.array import draw_array, widened
from signals.points import stations
from signals.points.dataset import PointsDataset
from signals.points.files import PointsFiles
from signals.points.tables import SUFFIXES, Columns, Measurements, guess_columns, read_measurements

Range = tuple[float, float]


class Points(Signal):
    """Values at points in one to four dimensions, each of which fills [-1, 1] between its `bounds`.

    What is left open of `coords`, `values`, `bounds` and `value_range` is taken from the data when settings are made,
    and kept with a run. Objects that are decoded are arrays on a grid over the bounds; files are predicted at their own
    points.
    """

    data: Annotated[str, IsPath(unless=("stations",))] = "stations"
    """"stations" (1,000 days of temperatures at 60 to 120 places, built in); a folder of .npz files of one signal each,
    with `coords` (P, D), `values` (P, C) and perhaps `mask`; or a table of many: an .h5 with these and `signal` (P,),
    or a .parquet or .csv with columns of the names below."""
    coords: list[str] = Field(default_factory=list, max_length=4)
    """Names of the coordinates: columns of a .parquet or .csv."""
    values: list[str] = Field(default_factory=list)
    """Names of the values, likewise."""
    signal: str = "signal"
    """Column that says to which signal a row belongs."""
    label: str | None = None
    """How the files of a folder are labeled; see `gonkit.data.LabelRule`. Of a table: the column of the signals'
    classes; None for none."""
    unit: str = ""
    """Of the values, for plots."""
    bounds: list[Range] = Field(default_factory=list)
    """[lowest, highest] of each coordinate; empty for those of the training points."""
    value_ranges: Range | Literal["auto"] = Field("auto", alias="value_range")
    """[lowest, highest] value; "auto" for those of the training signals."""
    kept: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of a held-out signal's points at which predictions are measured, and from which latents are not inferred; 0
    infers from all and measures at all."""
    cells: Annotated[int, Field(ge=2)] = 32
    """Cells along each axis of the grid on which samples are decoded."""

    @model_validator(mode="after")
    def _describe(self, info: ValidationInfo) -> Self:
        """Fills in from the data what is left open."""
        if not (self.coords and self.values and self.bounds) or self.value_ranges == "auto":
            if not may_read_data(info):
                raise ValueError("coords, values, bounds, value_range: a model of someone else must say them")
            self.__dict__.update(self._describe_data())
        if len(self.bounds) != len(self.coords):
            raise ValueError(f"bounds: {len(self.bounds)} for {len(self.coords)} coordinates")
        for low, high in (*self.bounds, self.value_range):
            if not low < high:
                raise ValueError(f"bounds, value_range: the lowest comes first, below the highest; got {[low, high]}")
        return self

    @property
    def value_range(self) -> Range:  # type: ignore[override]
        assert self.value_ranges != "auto"  # measured when settings are made
        return self.value_ranges

    @property
    def channels(self) -> int:
        return len(self.values)

    @property
    def columns(self) -> Columns:
        """Names of what is read."""
        return Columns(tuple(self.coords), tuple(self.values), self.signal, self.label or "")

    def grid(self, resolution: int | None = None) -> Grid:
        return Grid.centers(*[resolution or self.cells] * len(self.coords))

    def resized(self, shape: Sequence[int]) -> Signal:
        raise GonkitError("resolution: give one number, of cells along each axis")

    def dataset(self, split: Split) -> PointsDataset:
        folder = self._folder()
        measured = self._measurements(self.columns, folder)
        index = self._split_index(measured, split, folder)
        names = [measured[number].name for number in index]
        classes = sorted({one.label for one in measured} - {""})
        labels = [classes.index(measured[n].label) for n in index] if classes and measured[0].label else None
        info = DatasetInfo(
            names,
            None if labels is None else torch.tensor(labels),
            tuple(classes),
            self._note(measured, folder),
            files=self._files(index, folder),
        )
        return PointsDataset([self.to_sample(measured[n]) for n in index], info, self.kept, self.to_cells)

    def to_sample(self, measured: Measurements) -> Sample:
        """Measurements as a signal, with coordinates scaled to [-1, 1].

        Raises:
            GonkitError: points beyond the bounds by more than a tenth of their width.
        """
        low, high = torch.tensor(self.bounds, dtype=torch.float64).T
        coords = (torch.from_numpy(measured.coords) - low) / (high - low) * 2 - 1
        if (outside := (coords.abs() > 1.2).any(1)).any():
            first = measured.coords[int(outside.nonzero()[0, 0])].tolist()
            raise GonkitError(
                f"{measured.name}: {int(outside.sum())} of {len(coords)} points lie beyond signal.bounds = "
                f"{[list(pair) for pair in self.bounds]}, the first at {first}"
            )
        values = torch.from_numpy(measured.values)
        return Sample(values, coords.float(), observed_mask(values), name=measured.name)

    def to_cells(self, coords: Tensor, values: Tensor) -> numpy.ndarray[Any, Any]:
        """Values (*shape, C) on the grid: means of the points in each cell, NaN where there is none."""
        cells, dim = self.cells, coords.shape[1]
        place = ((coords + 1) / 2 * cells).long().clamp(0, cells - 1)  # (P, D)
        flat = (place * torch.tensor([cells**axis for axis in reversed(range(dim))])).sum(1)
        known = ~values.isnan()
        totals, counts = torch.zeros(cells**dim, values.shape[1]), torch.zeros(cells**dim, values.shape[1])
        totals.index_add_(0, flat, values.where(known, 0.0))
        counts.index_add_(0, flat, known.float())
        return self.grid().unflatten(totals / counts.where(counts > 0, torch.nan)).numpy()

    def preview(self, obj: numpy.ndarray[Any, Any]) -> pillow.Image:
        return draw_array(obj, [self.value_range] * self.channels, self.coords[0], self.unit)

    @property
    def suggested_recipe(self) -> Sections:
        return {
            "field": {"width": 64, "layers": 3, "omega": 3.0, "latent": "all"},
            "latent": {"dim": 16, "refine": 5},
            "train": {"steps": 1500, "batch": 32, "optimizer": "muon", "learning_rate": 2e-3, "validate_every": 500},
        }

    @property
    def files(self) -> PointsFiles:
        return PointsFiles(self.to_object, self.preview, self.to_sample, self.columns)

    def _folder(self) -> LabeledFolder | None:
        """The files of a folder; None for a table or an embedded set."""
        if self.data == "stations" or Path(self.data).suffix.lower() in SUFFIXES:
            return None
        others = ["stations", "an .h5, .parquet or .csv file"]
        folder = LabeledFolder.find(Path(self.data).expanduser(), (".npz",), "files of points", self.label, others)
        folder.note([], skip=False)
        return folder

    def _measurements(self, columns: Columns, folder: LabeledFolder | None) -> list[Measurements]:
        """All signals."""
        if self.data == "stations":
            return stations.make_stations()
        if folder is None:
            return _read(file_versions([Path(self.data).expanduser()]), columns)
        measured = _read(file_versions(folder.paths), columns)
        names = list(folder.fields)
        classes, labels = folder.classes(names)
        return [
            replace(one, name=name, label="" if labels is None else classes[labels[number]])
            for number, (one, name) in enumerate(zip(measured, names, strict=True))
        ]

    def _describe_data(self) -> dict[str, Any]:
        """What the data say about `coords`, `values`, `bounds` and `value_ranges`."""
        if self.data == "stations":
            coords, values = list(stations.COORDS), ["temperature"]
            bounds, value_range = list(stations.BOUNDS), stations.VALUE_RANGE
        else:
            folder = self._folder()
            columns = guess_columns(Path(self.data).expanduser() if folder is None else folder.paths[0], self.columns)
            coords, values = list(columns.coords), list(columns.values)
            measured = self._measurements(columns, folder)
            train = [measured[n] for n in self._split_index(measured, "train", folder)]
            places = numpy.concatenate([one.coords for one in train])
            bounds = [widened(*pair) for pair in zip(places.min(0).tolist(), places.max(0).tolist(), strict=True)]
            numbers = numpy.concatenate([one.values for one in train])
            value_range = widened(float(numpy.nanmin(numbers)), float(numpy.nanmax(numbers)))
        found = {"coords": coords, "values": values, "bounds": self.bounds or bounds}
        return found | ({"value_ranges": value_range} if self.value_ranges == "auto" else {})

    def _split_index(self, measured: Sequence[Measurements], split: Split, folder: LabeledFolder | None) -> list[int]:
        names = [one.name for one in measured]
        if folder is not None:
            numbers: list[int] = folder.split(names, split).tolist()
            return numbers
        try:
            return [number for number, part in enumerate(split_by_name(names)) if part == split]
        except GonkitError as error:
            raise GonkitError(f"{self.data}: {error}") from None

    def _files(self, index: Sequence[int], folder: LabeledFolder | None) -> list[tuple[DataFile, ...]] | None:
        """From which signals are read."""
        if self.data == "stations":
            return None
        if folder is not None:
            return files_below(folder.folder, [folder.paths[number] for number in index])
        path = Path(self.data).expanduser()
        return len(index) * files_below(path.parent, [path])

    def _note(self, measured: Sequence[Measurements], folder: LabeledFolder | None) -> str:
        """How the data were read."""
        counts = [len(one.values) for one in measured]
        axes = ", ".join(
            f"{name} {low:g} to {high:g}" for name, (low, high) in zip(self.coords, self.bounds, strict=True)
        )
        measures = f"; measured at {self.kept:.0%} of the points, encoded from the others" if self.kept else ""
        read = f"{len(measured)} signals of {min(counts)} to {max(counts)} points, {axes}{measures}"
        return "; ".join([read, *(folder.remarks if folder else ())])


@lru_cache(maxsize=2)  # the three splits share one reading
def _read(files: FileVersions, columns: Columns) -> list[Measurements]:
    return [one for path, *_ in files for one in read_measurements(path, columns)]
