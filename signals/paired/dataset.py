"""Data sets of pairs: each signal of a split with the signal that it is predicted from."""

from __future__ import annotations

__all__ = ["ConcatDataset", "Matching", "PairedDataset"]

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import PurePath
from typing import Any, Literal

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import DataFile, DatasetInfo, Pair, Signal, SignalDataset, Split, evenly_spaced
from gonkit.errors import GonkitError
from signals.paired.degradations import Degradation, interpolate_grid

Matching = Literal["stem", "class"]
INTERPOLATION = {1: "linear", 2: "bicubic", 3: "trilinear"}  # name of what `interpolate_grid` does in D dimensions
MAX_MEAN_PAIRS = 10_000  # training pairs over which means are taken
MAX_LISTED = 5  # names in a message


class PairedDataset(SignalDataset):
    """Sources and targets of a split.

    Args:
        target_type: the type that is predicted, with its data.
        source_type: the type that it is predicted from, with its data where pairs are matched.
        pairs: how sources are found or made.
        split: which part.
        assemble: from sources and targets, what latents are inferred from and what is predicted.
        degrade: sources made from targets (B, P, C) and their numbers (B,); None where pairs are matched.

    Raises:
        GonkitError: signals that cannot be matched.
    """

    def __init__(
        self,
        target_type: Signal,
        source_type: Signal,
        pairs: Degradation | Matching,
        split: Split,
        assemble: Callable[[Batch, Batch], Pair],
        degrade: Callable[[Batch, Tensor], Batch] | None,
    ) -> None:
        self.target_type, self.source_type, self.pairs, self.split = target_type, source_type, pairs, split
        self.assemble, self.degrade = assemble, degrade
        self.targets = target_type.dataset(split)
        self.sources: SignalDataset | None = None
        if pairs == "stem":
            self.sources = ConcatDataset([source_type.dataset(part) for part in ("train", "val", "test")])
            self.rows = _match_stems(self.sources, self.targets, split)
        elif pairs == "class":
            self.sources = source_type.dataset(split)
            self.rows = _match_classes(self.sources.info, self.targets.info, split)
        else:
            self.rows = torch.arange(len(self.targets)).repeat(2, 1).T
        info, chosen = self.targets.info, self.rows[:, 1]
        self.info = DatasetInfo(
            names=info.names_of(chosen),
            labels=None if info.labels is None else info.labels[chosen],
            class_names=info.class_names,
            note=info.note,
            streams=info.streams or (self.sources is not None and self.sources.info.streams),
            files=self._files(),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Batch:
        return self.pair(index).target

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        sources = self.inputs(index)
        targets = self.targets.pair(self.rows[index, 1], evaluate=evaluate)
        pair = self.assemble(sources, targets.target)
        if targets.input is targets.target:
            return pair
        return Pair(self.assemble(sources, targets.input).input, pair.target)

    def digests(self) -> list[str] | None:
        """Of the targets."""
        digests = self.targets.digests()
        return None if digests is None else [digests[i] for i in self.rows[:, 1].tolist()]

    def _files(self) -> list[tuple[DataFile, ...]] | None:
        """Of each pair, the files of its source and of its target."""
        sides = {"target": (self.targets, self.rows[:, 1])}
        if self.sources is not None:
            sides["source"] = self.sources, self.rows[:, 0]
        found = [
            [tuple(DataFile(f"{side}/{name}", path) for name, path in files[i]) for i in index.tolist()]
            for side, (dataset, index) in sides.items()
            if (files := dataset.info.files) is not None
        ]
        return [sum(files, ()) for files in zip(*found, strict=True)] if found else None

    def inputs(self, index: Tensor) -> Batch:
        """The sources of those pairs, on points of the source type."""
        if self.sources is not None:
            return self.sources.batch(self.rows[index, 0])
        assert self.degrade is not None  # where pairs are not matched
        return self.degrade(self.targets.batch(self.rows[index, 1]), self.rows[index, 1])

    def references(self, index: Tensor) -> list[Any] | None:
        return self.targets.references(self.rows[index, 1])

    def transforms(self, index: Tensor) -> list[Any]:
        return self.targets.transforms(self.rows[index, 1])

    def baselines(self, index: Tensor) -> Mapping[str, Tensor]:
        """Predictions that need no model.

        Returns:
            `mean`: that of the training targets; `class_mean`: that of the training targets with the same label, where
            pairs are matched by class; and the source, where it is a degraded target: `source` if it lies on the same
            grid, or the name of the interpolation. A source with one channel is repeated for all channels, and the
            mean difference of the training pairs is added. Nothing where targets have points of their own.
        """
        targets = self.targets.pair(self.rows[index, 1], evaluate=True).target
        if not targets.shares_coords:
            return {}
        mean, class_means, offset = self._training_means
        predictions = {"mean": mean.expand_as(targets.values)}
        if self.pairs == "class" and class_means is not None and targets.label is not None:
            predictions["class_mean"] = class_means[targets.label]
        if self.pairs in ("reduced", "noisy", "masked"):
            grid = self.source_type.grid()
            name = "source" if grid.shape == self.target_type.grid().shape else INTERPOLATION[grid.dim]
            predictions[name] = self._interpolated(index) + offset
        return predictions

    def _interpolated(self, index: Tensor) -> Tensor:
        """(B, P, C) sources at the targets' grid points, with one channel repeated for all."""
        coords = self.target_type.grid().coords
        values = interpolate_grid(self.inputs(index).values, self.source_type.grid(), coords)
        return values.expand(-1, -1, self.target_type.channels)

    @cached_property
    def _training_means(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """Of training targets (1, P, C), of those of each class (N, P, C), and of what sources lack (1, 1, C)."""
        train = self
        if self.split != "train":
            types = self.target_type, self.source_type
            train = PairedDataset(*types, self.pairs, "train", self.assemble, self.degrade)
        index = evenly_spaced(MAX_MEAN_PAIRS, len(train))
        targets = train.targets.batch(train.rows[index, 1])
        values, label, class_means = targets.values, targets.label, None
        if label is not None:
            classes = len(train.info.class_names)
            sums = values.new_zeros(classes, *values.shape[1:]).index_add_(0, label, values)
            class_means = sums / torch.bincount(label, minlength=classes).clamp_min(1).view(-1, 1, 1)
        offset = values.new_zeros(1, 1, 1)
        if self.pairs == "reduced" and self.source_type.channels < self.target_type.channels:
            offset = (values - train._interpolated(index)).mean((0, 1), keepdim=True)
        return values.mean(0, keepdim=True), class_means, offset


class ConcatDataset(SignalDataset):
    """The signals of several data sets, one set after another, without labels.

    Args:
        parts: data sets of one signal type.
    """

    def __init__(self, parts: Sequence[SignalDataset]) -> None:
        self.parts = parts
        self.ends = torch.tensor([len(part) for part in parts]).cumsum(0)
        names = [name for part in parts for name in part.info.names_of(torch.arange(len(part)))]
        files = [files for part in parts for files in part.info.files or ()]
        self.info = DatasetInfo(names=names, streams=any(part.info.streams for part in parts), files=files or None)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def batch(self, index: Tensor) -> Batch:
        which = torch.searchsorted(self.ends, index, right=True)
        starts = torch.cat([self.ends.new_zeros(1), self.ends])
        singles = [self.parts[w].batch((i - starts[w]).view(1)) for i, w in zip(index, which.tolist(), strict=True)]
        first = singles[0]
        masks = [single.mask for single in singles if single.mask is not None]
        return Batch(
            first.coords if first.shares_coords else torch.cat([single.coords for single in singles]),
            torch.cat([single.values for single in singles]),
            torch.cat(masks) if masks else None,
        )


def _match_stems(sources: SignalDataset, targets: SignalDataset, split: Split) -> Tensor:
    """(N, 2) numbers of the source and the target of each pair.

    They have the same path below their folders, without the suffix; or the same name where that is unambiguous.
    """
    source_names, target_names = (
        [PurePath(name).with_suffix("") for name in part.info.names_of(torch.arange(len(part)))]
        for part in (sources, targets)
    )
    if not set(target_names) <= set(source_names):  # other folders on both sides
        source_names, target_names = ([PurePath(path.name) for path in paths] for paths in (source_names, target_names))
    numbers = {path: number for number, path in enumerate(source_names)}
    if unmatched := [str(path) for path in target_names if path not in numbers]:
        raise GonkitError(
            f'signal.pairs = "stem": {len(unmatched)} of {len(target_names)} {split} targets have no source of '
            f"their name: {_abbreviate(unmatched)}; sources are called {_abbreviate(list(map(str, source_names)))}"
        )
    if len(numbers) < len(source_names):
        several = sorted(str(path) for path, count in Counter(source_names).items() if count > 1)
        raise GonkitError(
            f'signal.pairs = "stem": several sources are called {_abbreviate(several)}, and the folders around them do '
            "not match those of the targets; arrange both folders alike"
        )
    return torch.tensor([[numbers[path], number] for number, path in enumerate(target_names)])


def _match_classes(sources: DatasetInfo, targets: DatasetInfo, split: Split) -> Tensor:
    """(N, 2) numbers of every source and of a target of its class; targets take turns."""
    for name, info in {"source": sources, "target": targets}.items():
        if info.labels is None:
            raise GonkitError(f'signal.pairs = "class": signal.{name} has no labels to match by')
    if unmatched := set(sources.class_names) ^ set(targets.class_names):
        raise GonkitError(
            f'signal.pairs = "class": {_abbreviate(sorted(unmatched))} are in one of signal.source '
            f"({_abbreviate(sources.class_names)}) and signal.target ({_abbreviate(targets.class_names)}) only; name "
            "the folders or labels alike"
        )
    rows = []
    for name in sources.class_names:
        source_numbers, target_numbers = _of_class(sources, name), _of_class(targets, name)
        if source_numbers and not target_numbers:
            raise GonkitError(f'signal.pairs = "class": no {split} target is of class {name!r}')
        rows += [(source, target_numbers[i % len(target_numbers)]) for i, source in enumerate(source_numbers)]
    return torch.tensor(sorted(rows))


def _of_class(info: DatasetInfo, name: str) -> list[int]:
    """Numbers of the signals of a class."""
    assert info.labels is not None  # checked before
    numbers: list[int] = (info.labels == info.class_names.index(name)).nonzero()[:, 0].tolist()
    return numbers


def _abbreviate(names: Sequence[str]) -> str:
    """The first names, quoted, and how many more there are."""
    listed = ", ".join(repr(name) for name in names[:MAX_LISTED])
    return listed + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")
