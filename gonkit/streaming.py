"""Sets larger than memory: signals are read when they are asked for, by worker processes while training."""

from __future__ import annotations

__all__ = ["Rows", "Streamed"]

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy
import torch
from torch import Tensor

from gonkit.signal import Batch, SignalError, SignalSet


class Streamed(SignalSet):
    """Signals on one grid, each read when a batch asks for it.

    Args:
        read: values (P, C) of the signal with a number; may be called from other processes.
        index: (N,) int64 numbers of this set's signals.
        coords: (P, D).
        names: of all signals, by number; None for the numbers.
        label: (N,) int64 of this set's, or None.
        classes: names of the labels.
        note: what a user should know of how the set was read.

    Raises:
        SignalError: no signals at all.
    """

    def __init__(
        self,
        read: Callable[[int], Tensor],
        index: Tensor,
        coords: Tensor,
        names: Sequence[str] | None = None,
        label: Tensor | None = None,
        classes: Sequence[str] = (),
        note: str = "",
    ) -> None:
        if not len(index):
            raise SignalError("the split is empty: give more signals")
        self.read, self.index, self.coords = read, index, coords
        self._names, self._label, self._classes, self._note = names, label, tuple(classes), note

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, index: Tensor) -> Batch:
        values = torch.stack([self.read(number) for number in self.index[index].tolist()])
        finite = values.isfinite().all(-1).all(-1)
        if not finite.all():
            name = self.names(index[~finite][:1])[0]
            raise SignalError(f"signal {name}: values that are not finite (NaN or infinity); remove it")
        return Batch(self.coords, values, label=None if self._label is None else self._label[index])

    @property
    def streamed(self) -> bool:
        return True

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    def labels(self) -> Tensor | None:
        return self._label

    @property
    def note(self) -> str:
        return self._note

    def names(self, index: Tensor) -> list[str]:
        numbers = self.index[index].tolist()
        return [str(number) if self._names is None else self._names[number] for number in numbers]


class Rows:
    """Rows of a dataset of an HDF5 file, which each process opens for itself, once.

    Args:
        path: of the file.
        name: of the dataset.

    Raises:
        SignalError: no such file or dataset.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._opened: tuple[int, Any] | None = None
        try:
            with h5py.File(path, "r") as file:
                if name not in file or not isinstance(file[name], h5py.Dataset):
                    raise SignalError(f"{path}: no dataset {name!r} in it; there are {', '.join(file) or 'none'}")
                self.shape: tuple[int, ...] = file[name].shape
                self.dtype: numpy.dtype[Any] = file[name].dtype
        except OSError as error:
            raise SignalError(f"{path}: cannot be read as an HDF5 file: {error}") from None

    def __getitem__(self, row: int) -> numpy.ndarray:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), h5py.File(self.path, "r")[self.name]
        found: numpy.ndarray = self._opened[1][row]
        return found

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}
