"""What a modality must say (`Signal`), and the small records that travel between the parts.

Shapes: B signals, P points, D coordinate dimensions, C channels, S source channels, K latents.
"""

from __future__ import annotations

__all__ = [
    "Batch",
    "Decode",
    "Prediction",
    "Resident",
    "Sample",
    "Settings",
    "Signal",
    "SignalError",
    "SignalSet",
    "Split",
    "split_indices",
]

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from torch.utils.tensorboard.writer import SummaryWriter

    from gonkit.losses import Loss
    from gonkit.tiles import Sink, Whole

Split = Literal["train", "val", "test"]
Decode = Callable[[Tensor, slice], Tensor]
"""Values (b, P, C) at coords (P, D) of those of some latents that a slice names."""


class SignalError(ValueError):
    """A mistake in what a user gave: a file, a folder, a setting, a shape. Its text says what to do."""


@dataclass(frozen=True)
class Sample:
    """One signal: what a file holds, before it is stacked with others.

    Attributes:
        values: (P, C) in the signal type's range and unit.
        coords: (P, D) in [-1, 1], or None for the type's canonical grid.
        mask: (P,) bool, True where the point was observed; None for everywhere.
        source: (P, S) what else is known at the points, or None.
        label: class number, or None.
        name: where it came from, for messages and file names.
        frame: what `Signal.placed` needs to bring a decoded object back to where the file's was.
    """

    values: Tensor
    coords: Tensor | None = None
    mask: Tensor | None = None
    source: Tensor | None = None
    label: int | None = None
    name: str = ""
    frame: Any = None


@dataclass(frozen=True)
class Batch:
    """B signals. `coords.ndim` says whether they share their points.

    Attributes:
        coords: (P, D) shared by the batch, or (B, P, D) of each signal's own, in [-1, 1].
        values: (B, P, C).
        mask: (B, P) bool, True where observed, or None for everywhere.
        source: (B, P, S) or None.
        label: (B,) int64 or None.

    Raises:
        SignalError: shapes that do not fit together.

    Example:
        >>> batch = Batch(torch.zeros(9, 2), torch.zeros(4, 9, 1))
        >>> len(batch), batch.shared, len(batch[1:3]), batch.at(torch.arange(5)).values.shape[1]
        (4, True, 2, 5)
    """

    coords: Tensor
    values: Tensor
    mask: Tensor | None = None
    source: Tensor | None = None
    label: Tensor | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 3:
            raise SignalError(f"values must be (B, P, C); got {tuple(self.values.shape)}")
        size, points = self.values.shape[:2]
        if self.coords.ndim not in (2, 3) or self.coords.shape[:-1] not in ((points,), (size, points)):
            raise SignalError(
                f"coords must be ({points}, D) or ({size}, {points}, D) to go with values "
                f"{tuple(self.values.shape)}; got {tuple(self.coords.shape)}"
            )
        if self.mask is not None and (self.mask.shape != (size, points) or self.mask.dtype != torch.bool):
            raise SignalError(f"mask must be bool ({size}, {points}); got {self.mask.dtype} {tuple(self.mask.shape)}")
        if self.source is not None and self.source.shape[:-1] != (size, points):
            raise SignalError(f"source must be ({size}, {points}, S); got {tuple(self.source.shape)}")
        if self.label is not None and self.label.shape != (size,):
            raise SignalError(f"label must be ({size},); got {tuple(self.label.shape)}")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: slice | Tensor) -> Batch:
        """Some of the signals, on the same points."""
        return replace(
            self,
            coords=self.coords if self.shared else self.coords[index],
            values=self.values[index],
            mask=None if self.mask is None else self.mask[index],
            source=None if self.source is None else self.source[index],
            label=None if self.label is None else self.label[index],
        )

    @property
    def shared(self) -> bool:
        """Whether all signals lie on the same coordinates."""
        return self.coords.ndim == 2

    @property
    def weights(self) -> Tensor:
        """(1, P, 1) or (B, P, 1): each observed point's share of its signal's mean, adding up to 1."""
        if self.mask is None:
            points = self.values.shape[1]
            return self.values.new_full((1, points, 1), 1.0 / points)
        seen = self.mask.to(self.values.dtype)
        return (seen / seen.sum(1, keepdim=True).clamp_min(1)).unsqueeze(-1)

    def at(self, points: Tensor | None) -> Batch:
        """The same signals on some of their points; `points` (P',) int64, None for all."""
        if points is None:
            return self
        return replace(
            self,
            coords=self.coords[..., points, :],
            values=self.values[:, points],
            mask=None if self.mask is None else self.mask[:, points],
            source=None if self.source is None else self.source[:, points],
        )

    def seen(self, mask: Tensor | None) -> Batch:
        """The same signals, observed only where `mask` (B, P) is True as well; None leaves them as they are."""
        if mask is None:
            return self
        return replace(self, mask=mask if self.mask is None else mask & self.mask)

    def sloped(self) -> Batch:
        """The same signals, each with coordinates of its own that values can be differentiated by."""
        coords = self.coords.expand(len(self), -1, -1) if self.shared else self.coords
        return replace(self, coords=coords.clone().requires_grad_())

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Batch:
        """Moved to a device; floating tensors also to `dtype`."""
        return replace(
            self,
            coords=self.coords.to(device, dtype),
            values=self.values.to(device, dtype),
            mask=None if self.mask is None else self.mask.to(device),
            source=None if self.source is None else self.source.to(device, dtype),
            label=None if self.label is None else self.label.to(device),
        )

    @staticmethod
    def stack(samples: Sequence[Sample], grid: Tensor) -> Batch:
        """Samples of one size as a batch; those without coords lie on `grid` (P, D)."""
        own = samples[0].coords is not None
        return Batch(
            coords=torch.stack([s.coords for s in samples if s.coords is not None]) if own else grid,
            values=torch.stack([s.values for s in samples]),
            mask=_stack([s.mask for s in samples]),
            source=_stack([s.source for s in samples]),
            label=None if samples[0].label is None else torch.tensor([s.label for s in samples]),
        )


def _stack(tensors: Sequence[Tensor | None]) -> Tensor | None:
    present = [t for t in tensors if t is not None]
    return torch.stack(present) if present else None


@dataclass(frozen=True)
class Prediction:
    """What the network says of a batch.

    Attributes:
        values: (B, P, C) the field's output, in network units (see `gonkit.gon.GON`).
        latent: (B, K).
        logits: (B, N) of a label head, or None.
        posterior: mean and log variance, (B, K) each, of a variational model, or None.
        observed: what is predicted of the observed signals themselves, and those, where an outer term asks.
    """

    values: Tensor
    latent: Tensor
    logits: Tensor | None = None
    posterior: tuple[Tensor, Tensor] | None = None
    observed: tuple[Tensor, Batch] | None = None


class SignalSet(ABC):
    """The signals of one split: a length, and any of them as a batch."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, index: Tensor) -> Batch:
        """The signals numbered `index` (B,) int64."""

    def pair(self, index: Tensor) -> tuple[Batch, Batch]:
        """What those signals' latents are inferred from, and what is to be predicted: the same, unless one is
        converted to the other.
        """
        batch = self.batch(index)
        return batch, batch

    def observed(self, index: Tensor) -> Batch:
        """What those signals' latents are inferred from."""
        return self.pair(index)[0]

    def judged(self, index: Tensor) -> Batch:
        """Where those signals' reconstructions are judged, if not at the points that they are predicted at."""
        return self.batch(index)

    def baselines(self, index: Tensor) -> Mapping[str, Tensor]:
        """By name, what simpler methods predict of those signals' values (B, P, C)."""
        return {}

    def originals(self, index: Tensor, signal: Signal) -> list[Any]:
        """Those signals as natural objects, to be shown beside their reconstructions; none where that cannot be."""
        batch = self.batch(index)
        whole = batch.shared and batch.mask is None and batch.source is None
        return signal.things(batch.values) if whole else []

    def given(self, index: Tensor) -> list[Any]:
        """What those signals are converted from, as natural objects of the observed type; none for other sets."""
        return []

    def placed(self, index: Tensor, things: Sequence[Any]) -> list[Any]:
        """Those signals' reconstructions where the originals are."""
        return list(things)

    def compare(self, index: Tensor, things: Sequence[Any]) -> dict[str, float]:
        """Figures of those signals' reconstructions as natural objects, beyond those of their values."""
        return {}

    def names(self, index: Tensor) -> list[str]:
        """What to call those signals in messages and file names."""
        return [str(int(i)) for i in index]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels 0, 1 and so on; none where there are no labels."""
        return ()

    def labels(self) -> Tensor | None:
        """(N,) int64 of all signals, or None."""
        parts = [batch.label for batch in self.batches(1024)]
        present = [part for part in parts if part is not None]
        return torch.cat(present) if present else None

    @property
    def streamed(self) -> bool:
        """Whether signals are read when they are asked for, so that worker processes should fetch them ahead."""
        return False

    @property
    def note(self) -> str:
        """What a user should know of how the set was read, such as how many files were left out."""
        return ""

    def first(self, count: int) -> Batch:
        """The first `count` signals, or all there are."""
        return self.batch(torch.arange(min(count, len(self))))

    def batches(self, size: int) -> Iterator[Batch]:
        """All signals in order, `size` at a time; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.batch(torch.arange(start, min(start + size, len(self))))

    def spread(self, count: int) -> Tensor:
        """Numbers of up to `count` signals spread evenly over the set."""
        count = min(count, len(self))
        return torch.arange(count) * len(self) // max(count, 1)

    def evenly(self, count: int) -> Batch:
        """Those signals."""
        return self.batch(self.spread(count))


class Resident(SignalSet):
    """A split that lies in memory as one batch.

    Raises:
        SignalError: a value that is not finite (named), or no signals at all.
    """

    def __init__(
        self, data: Batch, names: Sequence[str] | None = None, note: str = "", classes: Sequence[str] = ()
    ) -> None:
        if not len(data):
            raise SignalError("the split is empty: give more signals")
        self.data = data
        self._names = names
        self._note = note
        self._classes = tuple(classes)
        finite = data.values.isfinite().all(-1)
        finite = (finite if data.mask is None else finite | ~data.mask).all(1)
        if not finite.all():
            worst = self.names((~finite).nonzero()[:1, 0])[0]
            raise SignalError(
                f"signal {worst}: values that are not finite (NaN or infinity) in {int((~finite).sum())} of "
                f"{len(data)} signals; remove them, or mark the points as unobserved with a mask"
            )

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, index: Tensor) -> Batch:
        return self.data[index.to(self.data.values.device)]

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    def labels(self) -> Tensor | None:
        return self.data.label

    @property
    def note(self) -> str:
        return self._note

    def names(self, index: Tensor) -> list[str]:
        return super().names(index) if self._names is None else [self._names[int(i)] for i in index]


def split_indices(count: int, split: Split, shares: tuple[float, float] = (0.1, 0.1), seed: int = 0) -> Tensor:
    """Which of `count` signals belong to a split: a fixed shuffle, then validation and test shares.

    Args:
        count: how many there are, at least 3.
        split: which part.
        shares: of validation and of test, each at least one signal.
        seed: of the shuffle; the same seed gives the same split everywhere.

    Raises:
        SignalError: fewer than three signals.

    Example:
        >>> [len(split_indices(100, s)) for s in ("train", "val", "test")]
        [80, 10, 10]
    """
    if count < 3:
        raise SignalError(f"{count} signal(s) found; at least 3 are needed, one each to train, validate and test")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    val, test = (max(1, round(share * count)) for share in shares)
    parts = {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}
    return parts[split].sort().values


def note_bad(bad: Sequence[str], total: int, what: str, skip: bool) -> str:
    """What to say of files that were left out, empty where all are good.

    Args:
        bad: what is wrong with each of those that cannot be used.
        total: how many files there were.
        what: they are, in the plural.
        skip: whether the user asked to go on without them.

    Raises:
        SignalError: bad ones and no such wish; it lists up to ten.
    """
    if bad and not skip:
        listed = "\n  ".join([*bad[:10], *([f"and {len(bad) - 10} more"] if len(bad) > 10 else [])])
        raise SignalError(
            f"{len(bad)} of {total} {what} cannot be used; --skip-bad (signal.skip_bad = true) goes on without them"
            f"\n  {listed}"
        )
    return f"{len(bad)} of {total} {what} could not be used and were left out" if bad else ""


class Settings(BaseModel):
    """Frozen, strict, finite: the base of everything that a recipe can say."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Signal(Settings, ABC):
    """A kind of signal: its data, its coordinates, and what a decoded field becomes.

    The fields of a subclass are the keys of a recipe's `[signal]` table. Subclasses are final. What has
    a default here need not be said; what is abstract must be.

    Class attributes:
        coord_dim: D.
        source_channels: S, 0 for none.
        value_range: lowest and highest value, from which PSNR takes its peak.
        suffixes: of the files that `save` can write, the usual one first.
        reads: suffixes of the files that `load` can read.
        pictured: whether `picture` shows all there is to an object; if not, the report shows files too.
        inner: name of the default inner loss.
        outer: names and weights of the default outer terms.
    """

    type: str = ""
    """How a recipe names the class: `module:Class` or `file.py:Class`."""

    coord_dim: ClassVar[int]
    source_channels: ClassVar[int] = 0
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    suffixes: ClassVar[tuple[str, ...]] = (".png",)
    reads: ClassVar[frozenset[str]] = frozenset()
    pictured: ClassVar[bool] = True
    inner: ClassVar[str] = "mse"
    outer: ClassVar[Mapping[str, float]] = {"mse": 1.0}

    @property
    @abstractmethod
    def channels(self) -> int:
        """C."""

    @property
    def observes(self) -> Signal:
        """The type of what is given when a signal is wanted: itself, unless one type is converted to another."""
        return self

    @property
    def translates(self) -> bool:
        """Whether latents are inferred from another type, through a field of its own."""
        return False

    @abstractmethod
    def dataset(self, split: Split) -> SignalSet:
        """The signals of a split. Called once for each split, at the start of a run."""

    @abstractmethod
    def coords(self, resolution: int | None = None) -> Tensor:
        """(P, D) canonical coordinates in [-1, 1], at the training resolution or another one."""

    @abstractmethod
    def render(self, values: Tensor, resolution: int | None = None) -> Any:
        """The natural object of one decoded signal, values (*grid, C) at `coords(resolution)`."""

    @abstractmethod
    def picture(self, thing: Any) -> Picture:
        """A PIL picture by which a natural object can be recognized; of one size for one resolution."""

    def grid(self, resolution: int | None = None) -> tuple[int, ...]:
        """Points along each axis of `coords(resolution)`, the last axis fastest; (P,) where they have no rows."""
        return (len(self.coords(resolution)),)

    def known(self, given: Batch, resolution: int | None = None) -> Tensor:
        """(B, P, S) what signals of the observed type say at `coords(resolution)`, for types with source channels."""
        raise SignalError(f"{type(self).__name__} signals have no source")

    def made(self, decode: Decode, count: int, resolution: int | None = None) -> list[Any]:
        """The natural objects of `count` latents; by default from their values on the whole grid."""
        return self.things(decode(self.coords(resolution), slice(None)), resolution)

    def placed(self, thing: Any, sample: Sample) -> Any:
        """A decoded object where the file that `sample` was loaded from has it."""
        return thing

    def things(self, values: Tensor, resolution: int | None = None) -> list[Any]:
        """The natural objects of decoded signals (B, P, C)."""
        grid = self.grid(resolution)
        return [self.render(one.unflatten(0, grid), resolution) for one in values.cpu()]

    def load(self, path: Path) -> Sample:
        """Reads one file of a user's as one signal of the training size.

        Raises:
            SignalError: it cannot be read.
        """
        raise SignalError(f"{path}: {type(self).__name__} signals are not read from files")

    def check(self, path: Path) -> Mapping[str, str]:
        """What is to be said of a file before training on it, by column; `verdict` is "good" or advice.

        Raises:
            SignalError: it cannot be used.
        """
        self.load(path)
        return {"verdict": "good"}

    def open(self, path: Path) -> Whole | None:
        """A file of any size at its full extent, to be encoded window by window; None where `load` is all there is.

        Raises:
            SignalError: it cannot be read.
        """
        return None

    def create(self, stem: Path, whole: Whole, resolution: int, suffix: str | None = None) -> Sink:
        """Where the reconstruction of `whole` at a resolution is written to, stretch by stretch."""
        from gonkit.tiles import Gathered

        return Gathered(self, stem, resolution, suffix)

    def save(self, thing: Any, stem: Path, suffix: str | None = None) -> Path:
        """Writes a natural object to `stem` with a suffix of `suffixes`, by default the first; returns the path."""
        path = stem.with_name(stem.name + (suffix or self.suffixes[0]))
        self.picture(thing).save(path)
        return path

    def log(self, writer: SummaryWriter, tag: str, thing: Any, step: int) -> None:
        """Shows a natural object in TensorBoard, beyond the contact sheets that every type gets."""

    def html(self, path: str) -> str:
        """How the report shows a file that `save` wrote."""
        return f'<img src="{path}" alt="{path}">'

    def losses(self) -> Mapping[str, Loss]:
        """Losses of its own by the name that a recipe gives them, beyond those of `gonkit.losses`."""
        return {}

    def metrics(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        """Figures beyond mse, psnr and snr: functions of prediction and values, both (B, *grid, C), giving (B,).

        The grid may be larger than the training one, where a whole file is judged; signals with points of their
        own give (B, P, C).
        """
        return {}

    def features(self, values: Tensor) -> Tensor:
        """What a classifier that judges samples sees of values (B, *grid, C): (B, *any grid, any C); by default those.

        One to three axes; a spectrum where values themselves say little.
        """
        return values

    def point_set(self, thing: Any, count: int) -> Tensor | None:
        """(count, 3) points on a natural object, by which sets of objects are compared; None for other types."""
        return None

    def absolute(self) -> Self:
        """The same settings with paths made absolute, so that a run can go on from another folder."""
        return self
