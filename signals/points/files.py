"""Files of values at points, read as signals and written back with predictions at the same points."""

from __future__ import annotations

__all__ = ["PointsFiles"]

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy
import torch
from PIL import Image as pillow
from torch import Tensor

from gonkit.batch import Sample
from gonkit.data import SignalFiles
from gonkit.errors import GonkitError
from signals.points.tables import SUFFIXES, Columns, Measurements, read_measurements, write_measurements


class PointsFiles(SignalFiles):
    """.npz files of one signal, and tables of many.

    Args:
        to_object: the signal type's `to_object`.
        preview: the signal type's `preview`.
        to_sample: makes a signal of measurements.
        columns: of tables.
    """

    read_suffixes: ClassVar[frozenset[str]] = SUFFIXES

    def __init__(
        self,
        to_object: Callable[[Tensor, int | None], Any],
        preview: Callable[[Any], pillow.Image],
        to_sample: Callable[[Measurements], Sample],
        columns: Columns,
    ) -> None:
        super().__init__(to_object, preview)
        self.to_sample, self.columns = to_sample, columns

    def load(self, path: Path) -> Sample:
        samples = self.load_all(path)
        if len(samples) != 1:
            raise GonkitError(f"{path}: holds {len(samples)} signals, where one is wanted")
        return samples[0]

    def load_all(self, path: Path) -> list[Sample]:
        return [self.to_sample(one) for one in self._read(path)]

    def save_at_points(self, values: Sequence[Tensor], source: Path, stem: Path) -> Path:
        """Writes predictions at the points of a file, in its format, with everything else in it as it was."""
        measured = self._read(source)
        rows = numpy.concatenate([one.rows for one in measured])
        table = numpy.empty((len(rows), len(self.columns.values)), numpy.float32)
        table[rows] = torch.cat(list(values)).numpy()
        target = stem.with_name(stem.name + source.suffix)
        write_measurements(source, self.columns, table, target)
        return target

    def inspect(self, path: Path) -> Mapping[str, str]:
        measured = self._read(path)
        counts = [len(one.values) for one in measured]
        values = numpy.concatenate([one.values for one in measured])
        return {
            "signals": str(len(measured)),
            "points": f"{min(counts)}–{max(counts)}",
            "lowest": f"{numpy.nanmin(values):.4g}",
            "highest": f"{numpy.nanmax(values):.4g}",
            "missing": f"{numpy.isnan(values).mean():.1%}",
            "verdict": "good",
        }

    def _read(self, path: Path) -> list[Measurements]:
        if path.suffix.lower() not in self.read_suffixes:
            raise GonkitError(f"{path}: values at points are read from {', '.join(sorted(self.read_suffixes))}")
        measured = read_measurements(path, self.columns)
        if empty := [one.name for one in measured if numpy.isnan(one.values).all()]:
            raise GonkitError(f"{path}: no value of {empty[0]} was observed; leave it out")
        return measured
