"""Pairs: one type of signal converted to another, by a source that the field also sees or by a latent both share."""

from __future__ import annotations

__all__ = ["Condition", "Paired", "Pairs", "Translate"]

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import torch
from PIL.Image import Image as Picture
from pydantic import Field
from torch import Tensor

from gonkit.losses import Loss
from gonkit.recipe import AnySignal
from gonkit.signal import Batch, Decode, Sample, Signal, SignalError, SignalSet, Split
from signals.derived import Derive, derive, sampled

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

Matched = Literal["stem", "class"]


class Paired(Signal):
    """Signals of type `target` are wanted, of which signals of type `source` are given. Use `Condition` or `Translate`.

    What a signal is like and how it is looked at is said by the target's type, how what is given is read by the
    source's.
    """

    target: AnySignal
    """[signal.target]: the type that is wanted, with its data."""
    source: AnySignal
    """[signal.source]: the type that is given: its size and channels, and its data where pairs are matched."""
    pairs: Derive | Matched
    """Where sources come from. Made of the targets: "reduced" to the source type's points and channels, "edges",
    "noisy", "masked". From the source type's own data: by "stem" of their names, or any two of a "class"."""
    noise: Annotated[float, Field(gt=0)] = 0.2
    """Of "noisy": deviation of the noise, in units of values."""
    hidden: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of "masked": side of the box that is set to zero, as a share of each axis."""

    # What the base class says once for a type depends here on the target
    @property
    def coord_dim(self) -> int:  # type: ignore[override]
        return self.target.coord_dim

    @property
    def value_range(self) -> tuple[float, float]:  # type: ignore[override]
        return self.target.value_range

    @property
    def suffixes(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.target.suffixes

    @property
    def pictured(self) -> bool:  # type: ignore[override]
        return self.target.pictured

    @property
    def inner(self) -> str:  # type: ignore[override]
        return self.target.inner

    @property
    def outer(self) -> Mapping[str, float]:  # type: ignore[override]
        return self.target.outer

    @property
    def channels(self) -> int:
        return self.target.channels

    @property
    def observes(self) -> Signal:
        return self.source

    def absolute(self) -> Self:
        return self.model_copy(update={"target": self.target.absolute(), "source": self.source.absolute()})

    def grid(self, resolution: int | None = None) -> tuple[int, ...]:
        return self.target.grid(resolution)

    def coords(self, resolution: int | None = None) -> Tensor:
        return self.target.coords(resolution)

    def dataset(self, split: Split) -> Pairs:
        return Pairs(self, split)

    def made(self, decode: Decode, count: int, resolution: int | None = None) -> list[Any]:
        return self.target.made(decode, count, resolution)

    def render(self, values: Tensor, resolution: int | None = None) -> Any:
        return self.target.render(values, resolution)

    def picture(self, thing: Any) -> Picture:
        return self.target.picture(thing)

    def load(self, path: Path) -> Sample:
        return self.target.load(path)

    def save(self, thing: Any, stem: Path, suffix: str | None = None) -> Path:
        return self.target.save(thing, stem, suffix)

    def log(self, writer: SummaryWriter, tag: str, thing: Any, step: int) -> None:
        self.target.log(writer, tag, thing, step)

    def html(self, path: str) -> str:
        return self.target.html(path)

    def losses(self) -> Mapping[str, Loss]:
        return self.target.losses()

    def metrics(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        return self.target.metrics()

    @abstractmethod
    def joined(self, given: Batch, wanted: Batch) -> tuple[Batch, Batch]:
        """What latents are inferred from, and what is to be predicted, of sources and targets."""


class Condition(Paired):
    """F(c ⊕ z ⊕ s(c)): the field also sees the source at its coordinate; the latent holds what that cannot tell.

    When only a source is given, the latent is at the origin, drawn from the prior or taken from another pair. Train
    with `latent.drop`, the share of signals whose latent stays at the origin, so that the origin is a good one.
    """

    reach: Annotated[int, Field(ge=0, le=4)] = 0
    """Points of the source on either side along each axis that the field sees too."""

    @property
    def source_channels(self) -> int:  # type: ignore[override]
        return int(self.source.channels * (2 * self.reach + 1) ** self.source.coord_dim)

    def known(self, given: Batch, resolution: int | None = None) -> Tensor:
        return self._at(given, self.target.coords(resolution))

    def joined(self, given: Batch, wanted: Batch) -> tuple[Batch, Batch]:
        both = replace(wanted, source=self._at(given, wanted.coords))
        return both, both

    def _at(self, given: Batch, coords: Tensor) -> Tensor:
        """(B, P, S) the source and its neighbors at coords."""
        if self.source.coord_dim != self.target.coord_dim:
            raise SignalError(
                f"signal.source: {type(self.source).__name__} has {self.source.coord_dim} coordinates and the target "
                f"{self.target.coord_dim}, so that it says nothing at a point of it; use signals.paired:Translate"
            )
        if given.values.shape[2] != self.source.channels:
            raise SignalError(
                f"signal.source: {type(self.source).__name__} says {self.source.channels} channels; got "
                f"{given.values.shape[2]}"
            )
        return sampled(given.values, self.source, coords, self.reach)


class Translate(Paired):
    """z = −∇ of the *source's* loss through a field of its own; the target's field decodes the same z.

    Sources and targets may live in different domains. No target is needed to convert.
    """

    @property
    def translates(self) -> bool:
        return True

    def joined(self, given: Batch, wanted: Batch) -> tuple[Batch, Batch]:
        return given, wanted


class Pairs(SignalSet):
    """Sources and targets of a split.

    Raises:
        SignalError: nothing that matches, or something that does not.
    """

    BASELINE_OF: ClassVar[int] = 10_000  # training pairs that means are taken over

    def __init__(self, signal: Paired, split: Split) -> None:
        self.signal, self.split = signal, split
        self.targets: SignalSet = signal.target.dataset(split)
        self.sources: SignalSet | None = None
        if signal.pairs == "stem":
            self.sources = _Joined([signal.source.dataset(part) for part in ("train", "val", "test")])
            self.rows = self._by_stem(self.sources)
        elif signal.pairs == "class":
            self.sources = signal.source.dataset(split)
            self.rows = self._by_class(self.sources)
        else:
            self.rows = torch.arange(len(self.targets)).repeat(2, 1).T

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Batch:
        return self.pair(index)[1]

    def pair(self, index: Tensor) -> tuple[Batch, Batch]:
        return self.signal.joined(self._given(index), self.targets.batch(self.rows[index, 1]))

    def judged(self, index: Tensor) -> Batch:
        return self.signal.joined(self._given(index), self.targets.judged(self.rows[index, 1]))[1]

    def given(self, index: Tensor) -> list[Any]:
        return self.signal.source.things(self._given(index).values)

    def originals(self, index: Tensor, signal: Signal) -> list[Any]:
        return self.targets.originals(self.rows[index, 1], self.signal.target)

    def placed(self, index: Tensor, things: Sequence[Any]) -> list[Any]:
        return self.targets.placed(self.rows[index, 1], things)

    def compare(self, index: Tensor, things: Sequence[Any]) -> dict[str, float]:
        return self.targets.compare(self.rows[index, 1], things)

    def names(self, index: Tensor) -> list[str]:
        return self.targets.names(self.rows[index, 1])

    @property
    def classes(self) -> tuple[str, ...]:
        return self.targets.classes

    def labels(self) -> Tensor | None:
        labels = self.targets.labels()
        return None if labels is None else labels[self.rows[:, 1]]

    @property
    def note(self) -> str:
        return self.targets.note

    def baselines(self, index: Tensor) -> Mapping[str, Tensor]:
        """`mean`, that of the training targets; `class_mean`, told the label; the `source` itself, or interpolated.

        A source with fewer channels stands for all of them, with the training mean of what it lacks added.
        """
        wanted = self.targets.judged(self.rows[index, 1])
        if not wanted.shared:
            return {}
        mean, class_means, offset = self._training_means
        found = {"mean": mean.expand_as(wanted.values)}
        if self.signal.pairs == "class" and class_means is not None and wanted.label is not None:
            found["class_mean"] = class_means[wanted.label]
        if self.signal.pairs in ("reduced", "noisy", "masked"):
            same = self.signal.source.grid() == self.signal.target.grid()
            name = "source" if same else INTERPOLATED[self.signal.source.coord_dim]
            found[name] = self.interpolated(index) + offset
        return found

    def interpolated(self, index: Tensor) -> Tensor:
        """(B, P, C) the sources at the targets' points, one channel repeated for all where they have fewer."""
        values = sampled(self._given(index).values, self.signal.source, self.signal.target.coords())
        return values.expand(-1, -1, self.signal.target.channels)

    @cached_property
    def _training_means(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """Of training targets (1, P, C), of those of each class (N, P, C), and of what sources lack (1, 1, C)."""
        pairs = self if self.split == "train" else Pairs(self.signal, "train")
        index = pairs.spread(self.BASELINE_OF)
        wanted = pairs.targets.batch(pairs.rows[index, 1])
        values, label = wanted.values, wanted.label
        class_means = None
        if label is not None:
            sums = values.new_zeros(len(pairs.classes), *values.shape[1:]).index_add_(0, label, values)
            class_means = sums / torch.bincount(label, minlength=len(pairs.classes)).clamp_min(1).view(-1, 1, 1)
        offset = values.new_zeros(1, 1, 1)
        if self.signal.pairs == "reduced" and self.signal.source.channels < self.signal.target.channels:
            offset = (values - pairs.interpolated(index)).mean((0, 1), keepdim=True)
        return values.mean(0, keepdim=True), class_means, offset

    def _given(self, index: Tensor) -> Batch:
        if self.sources is not None:
            return self.sources.batch(self.rows[index, 0])
        return derive(self.signal, self.targets.batch(self.rows[index, 1]), self.rows[index, 1])

    def _by_stem(self, sources: SignalSet) -> Tensor:
        """(N, 2) sources and targets of the same stem."""
        stems = [[Path(name).stem for name in part.names(torch.arange(len(part)))] for part in (sources, self.targets)]
        places = {stem: number for number, stem in enumerate(stems[0])}
        if unmatched := [stem for stem in stems[1] if stem not in places]:
            raise SignalError(
                f'signal.pairs = "stem": {len(unmatched)} of {len(stems[1])} {self.split} targets have no source of '
                f"their name: {_some(unmatched)}; sources are called {_some(stems[0])}"
            )
        return torch.tensor([[places[stem], number] for number, stem in enumerate(stems[1])])

    def _by_class(self, sources: SignalSet) -> Tensor:
        """(N, 2) every source with a target of its class, taken in turn."""
        labels = {"source": sources.labels(), "target": self.targets.labels()}
        for name, found in labels.items():
            if found is None:
                raise SignalError(f'signal.pairs = "class": signal.{name} has no labels to match by')
        if unmatched := set(sources.classes) ^ set(self.targets.classes):
            raise SignalError(
                f'signal.pairs = "class": {_some(sorted(unmatched))} are in one of signal.source '
                f"({_some(sources.classes)}) and signal.target ({_some(self.targets.classes)}) only; name the folders "
                "or labels alike"
            )
        assert labels["source"] is not None  # said above, for the type checker
        assert labels["target"] is not None
        rows = []
        for number, name in enumerate(sources.classes):
            ours = (labels["source"] == number).nonzero()[:, 0]
            theirs = (labels["target"] == self.targets.classes.index(name)).nonzero()[:, 0]
            if len(ours) and not len(theirs):
                raise SignalError(f'signal.pairs = "class": no {self.split} target is of class {name!r}')
            rows += [(int(one), int(theirs[i % len(theirs)])) for i, one in enumerate(ours)]
        return torch.tensor(sorted(rows))


INTERPOLATED = {1: "linear", 2: "bicubic", 3: "trilinear"}  # what `sampled` does along so many axes


class _Joined(SignalSet):
    """Several sets as one."""

    def __init__(self, parts: Sequence[SignalSet]) -> None:
        self.parts = parts

    @cached_property
    def _starts(self) -> Tensor:
        return torch.tensor([len(part) for part in self.parts]).cumsum(0)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def batch(self, index: Tensor) -> Batch:
        which = torch.searchsorted(self._starts, index, right=True)
        first = torch.cat([torch.zeros(1, dtype=torch.int64), self._starts])
        singles = [self.parts[int(w)].batch((i - first[w]).reshape(1)) for i, w in zip(index, which, strict=True)]
        return replace(singles[0], values=torch.cat([single.values for single in singles]), label=None)

    def names(self, index: Tensor) -> list[str]:
        every = [name for part in self.parts for name in part.names(torch.arange(len(part)))]
        return [every[int(i)] for i in index]


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(repr(name) for name in names[:5])
    return listed + (f" and {len(names) - 5} more" if len(names) > 5 else "")
