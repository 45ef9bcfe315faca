"""Data sets larger than memory: signals are read when they are needed, by worker processes during training."""

from __future__ import annotations

__all__ = ["HDF5Rows", "StreamingDataset"]

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data.dataset import DatasetInfo, SignalDataset
from gonkit.data.grid import Grid
from gonkit.data.masks import observed_mask
from gonkit.errors import GonkitError, reading
from gonkit.files import hdf5_dataset, hdf5_names, open_hdf5
from gonkit.limits import MAX_VALUES, require_at_most, require_bytes


class StreamingDataset(SignalDataset):
    """Signals on one grid, each read when a batch needs it.

    Args:
        read: values (P, C) of a signal by its number; called in worker processes too.
        index: (N,) int64 numbers of this split's signals.
        grid: on which they lie.
        info: names, labels and so on of this split's signals; `streams` is true.
        missing: whether NaN marks values that were not observed.

    Raises:
        GonkitError: no signals at all, or values that are not finite.
    """

    def __init__(
        self, read: Callable[[int], Tensor], index: Tensor, grid: Grid, info: DatasetInfo, *, missing: bool = False
    ) -> None:
        if not len(index):
            raise GonkitError("the split is empty: give more signals")
        self.read, self.index, self.grid, self.info, self.missing = read, index, grid, info, missing

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, index: Tensor) -> Batch:
        values = torch.stack([self.read(number) for number in self.index[index].tolist()])
        mask = observed_mask(values) if self.missing else None
        finite = values.isfinite() if mask is None else values.isfinite() | values.isnan()
        finite = finite.all(-1).all(-1)
        if not finite.all():
            name = self.info.names_of(index[~finite][:1])[0]
            raise GonkitError(f"signal {name}: values that are not finite (NaN or infinity); remove it")
        labels = self.info.labels
        return Batch(self.grid.coords, values, mask, label=None if labels is None else labels[index])


class HDF5Rows:
    """Rows of a dataset in an HDF5 file. Each process opens the file once, for itself.

    Args:
        path: of the file.
        name: of the dataset.

    Raises:
        GonkitError: no such file or dataset.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._opened: tuple[int, Any] | None = None
        with open_hdf5(path) as file:
            dataset = hdf5_dataset(file, name)
            if dataset is None:
                listed = ", ".join(hdf5_names(file)) or "none"
                raise GonkitError(f"{path}: no dataset {name!r} in it; there are {listed}")
            if not dataset.shape:
                raise GonkitError(f"{path}: {name} is no array of signals; got one value, or none")
            require_bytes(path, dataset.size * dataset.dtype.itemsize)
            require_at_most(path, math.prod(dataset.shape[1:]), MAX_VALUES, "values in a signal")
            self.shape: tuple[int, ...] = dataset.shape
            self.dtype: numpy.dtype[Any] = dataset.dtype

    @staticmethod
    def names(path: Path) -> list[str]:
        """Names of the datasets of an HDF5 file, those in groups too.

        Raises:
            GonkitError: it cannot be read.
        """
        with open_hdf5(path) as file:
            return hdf5_names(file)

    def __getitem__(self, row: int) -> numpy.ndarray:
        with reading(self.path, "an HDF5 file"):
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = os.getpid(), h5py.File(self.path, "r")[self.name]
            values: numpy.ndarray = self._opened[1][row]
            return values

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}
