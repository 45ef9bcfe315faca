"""Data sets of signals: the interface, and one that lies in memory."""

from __future__ import annotations

__all__ = ["DataFile", "DatasetInfo", "InMemoryDataset", "Pair", "SignalDataset", "SubsetDataset", "evenly_spaced"]

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.devices import free_memory_mib
from gonkit.errors import GonkitError
from gonkit.files import printable


class DataFile(NamedTuple):
    """A file that a signal is read from.

    Attributes:
        name: below the folder of the data, which stays as it is when the folder is moved.
        path: where the file is now.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a data set beside its signals.

    Attributes:
        names: of the signals, for messages and file names; None numbers them.
        labels: (N,) int64 of all signals, or None.
        class_names: names of the labels 0, 1 and so on; empty without labels.
        note: what a user should know about how the set was read, such as how many files were skipped.
        streams: whether signals are read when they are needed, so that worker processes should fetch them ahead.
        files: of each signal, the files that it is read from, by which a run knows its data again; None for none.
    """

    names: Sequence[str] | None = None
    labels: Tensor | None = None
    class_names: tuple[str, ...] = ()
    note: str = ""
    streams: bool = False
    files: Sequence[tuple[DataFile, ...]] | None = None

    def names_of(self, index: Tensor) -> list[str]:
        """Names of the signals `index` (B,), with escapes for what cannot be written; see `gonkit.files.printable`."""
        return [str(i) if self.names is None else printable(self.names[i]) for i in index.tolist()]

    def class_name(self, label: int) -> str:
        """Name of a label, or its number."""
        return self.class_names[label] if label < len(self.class_names) else str(label)

    def all_files(self) -> list[DataFile]:
        """The files of all signals, each once."""
        return list(dict.fromkeys(file for files in self.files or () for file in files))

    def subset(self, index: Tensor) -> DatasetInfo:
        """The same information about the signals `index` (N',)."""
        names, files = (
            None if all_ is None else [all_[i] for i in index.tolist()] for all_ in (self.names, self.files)
        )
        labels = None if self.labels is None else self.labels[index]
        return replace(self, names=names, labels=labels, files=files)


class Pair(NamedTuple):
    """What latents are inferred from, and what is to be predicted; the same batch unless signals are converted."""

    input: Batch
    target: Batch


class SignalDataset(ABC):
    """The signals of one split. A subclass writes `__len__` and `batch`; the rest has defaults."""

    info: DatasetInfo = DatasetInfo()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, index: Tensor) -> Batch:
        """The signals `index` (B,) int64, as they are to be predicted."""

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        """Inputs and targets of the signals `index` (B,).

        Args:
            index: which signals.
            evaluate: for everything but training: the points from which latents are inferred and those at which
                predictions are measured, where a data set keeps such points apart from the training points.
        """
        batch = self.batch(index)
        return Pair(batch, batch)

    def to(self, device: torch.device) -> SignalDataset:
        """The same signals on a device, for training, where they lie in memory and fit there; else as they are."""
        return self

    def evaluation_input(self, index: Tensor) -> Batch:
        """The input of `pair(index, evaluate=True)`, for callers that do not need the target."""
        return self.pair(index, evaluate=True).input

    def digests(self) -> list[str] | None:
        """A hash of each signal's values, the same for equal signals; None where they do not lie in memory."""
        return None

    def references(self, index: Tensor) -> list[Any] | None:
        """Those signals as objects, where they are more than their values on the grid (a mesh, say); None if not."""
        return None

    def inputs(self, index: Tensor) -> Batch | None:
        """The signals of the input type that those signals are converted from; None for other data sets."""
        return None

    def transforms(self, index: Tensor) -> list[Any]:
        """For each of those signals, what `Signal.place` needs to move a decoded object to the original's place."""
        return [None] * len(index)

    def baselines(self, index: Tensor) -> Mapping[str, Tensor]:
        """Predictions (B, P, C) of those signals by simpler methods, by the method's name."""
        return {}


class InMemoryDataset(SignalDataset):
    """A split that lies in memory as one batch.

    Args:
        data: all signals.
        info: names and so on; labels are taken from `data` where `info` has none.

    Raises:
        GonkitError: no signals, or a value that is not finite at an observed point (the signal is named).
    """

    def __init__(self, data: Batch, info: DatasetInfo | None = None) -> None:
        if not len(data):
            raise GonkitError("the split is empty: give more signals")
        info = info or DatasetInfo()
        self.data = data
        self.info = info if info.labels is not None else replace(info, labels=data.label)
        finite = data.observed_values.isfinite().all(2).all(1)
        if not finite.all():
            name = self.info.names_of((~finite).nonzero()[:1, 0])[0]
            raise GonkitError(
                f"signal {name}: values that are not finite (NaN or infinity) in {int((~finite).sum())} of "
                f"{len(data)} signals; remove them, or mark the points as unobserved with a mask"
            )

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, index: Tensor) -> Batch:
        return self.data[index]

    def digests(self) -> list[str]:
        return self._digests

    @cached_property
    def _digests(self) -> list[str]:
        return self.data.digests()

    def to(self, device: torch.device) -> Self:
        moved = copy.copy(self)
        if self.data.values.device != device and 2 * self.data.nbytes / 2**20 < free_memory_mib(device):
            moved.data = self.data.to(device)
        return moved


class SubsetDataset(SignalDataset):
    """Some signals of another data set, renumbered from 0.

    Args:
        dataset: the whole.
        index: (N',) int64 which of its signals.
    """

    def __init__(self, dataset: SignalDataset, index: Tensor) -> None:
        self.dataset, self.index = dataset, index
        self.info = dataset.info.subset(index)

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, index: Tensor) -> Batch:
        return self.dataset.batch(self.index[index])

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        return self.dataset.pair(self.index[index], evaluate=evaluate)

    def evaluation_input(self, index: Tensor) -> Batch:
        return self.dataset.evaluation_input(self.index[index])

    def digests(self) -> list[str] | None:
        digests = self.dataset.digests()
        return None if digests is None else [digests[i] for i in self.index.tolist()]

    def references(self, index: Tensor) -> list[Any] | None:
        return self.dataset.references(self.index[index])

    def inputs(self, index: Tensor) -> Batch | None:
        return self.dataset.inputs(self.index[index])

    def transforms(self, index: Tensor) -> list[Any]:
        return self.dataset.transforms(self.index[index])

    def baselines(self, index: Tensor) -> Mapping[str, Tensor]:
        return self.dataset.baselines(self.index[index])


def evenly_spaced(count: int, total: int) -> Tensor:
    """Numbers (B,) of up to `count` of `total` signals, evenly spaced.

    Example:
        >>> evenly_spaced(3, 9).tolist(), evenly_spaced(5, 2).tolist()
        ([0, 3, 6], [0, 1])
    """
    count = min(count, total)
    return torch.arange(count) * total // max(count, 1)
