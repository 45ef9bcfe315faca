"""Files larger than the training size: overlapping windows, a latent each, put together again without seams."""

from __future__ import annotations

__all__ = ["Compared", "Gathered", "Sink", "Whole", "reconstruct", "window_starts"]

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.metrics import psnr
from gonkit.observation import View
from gonkit.signal import Batch, Signal

POINTS_AT_ONCE = 1 << 20  # of all windows together
STRETCH = 1 << 20  # points over which a type's own metrics are taken, where a file is longer


class Whole(ABC):
    """A file at its full extent, read forward along its first axis.

    Attributes:
        shape: points along each axis.
        tracks: T, signals side by side on those points, each encoded for itself.
        resolution: that the points lie at, as `Signal.coords` counts it.
    """

    shape: tuple[int, ...]
    tracks: int = 1
    resolution: int

    @abstractmethod
    def read(self, count: int) -> Tensor:
        """The next `count` along the first axis, (T, count, *rest, C)."""


class Sink(ABC):
    """Where a whole is written, forward along its first axis."""

    @abstractmethod
    def write(self, values: Tensor) -> None:
        """The next stretch, (T, count, *rest, C)."""

    @abstractmethod
    def close(self) -> Path:
        """Completes the file, and says where it is."""

    @abstractmethod
    def discard(self) -> None:
        """Leaves nothing behind, after a failure."""


class Gathered(Sink):
    """Keeps everything until the end, and saves it as the signal type saves an object."""

    def __init__(self, signal: Signal, stem: Path, resolution: int, suffix: str | None = None) -> None:
        self.signal, self.stem, self.resolution, self.suffix = signal, stem, resolution, suffix
        self.parts: list[Tensor] = []

    def write(self, values: Tensor) -> None:
        self.parts.append(values)

    def close(self) -> Path:
        (values,) = torch.cat(self.parts, 1)
        return self.signal.save(self.signal.render(values, self.resolution), self.stem, self.suffix)

    def discard(self) -> None:
        self.parts.clear()


@torch.no_grad()
def reconstruct(
    gon: GON,
    signal: Signal,
    whole: Whole,
    sink: Callable[[int], Sink],
    resolution: int | None = None,
    *,
    overlap: float = 0.5,
    view: View | None = None,
    chunk: int | None = None,
) -> tuple[Path, dict[str, float]]:
    """Encodes and decodes a whole, window by window; memory does not grow with its first axis.

    Windows of the training extent lie on one shared grid, the last of them flush with the end, so that
    each sees nothing but the file. Where they overlap, they are weighted by sin² windows that are made to
    sum to one. Beyond the ends of a file shorter than a window, points count as unobserved.

    Args:
        gon: the network.
        signal: the type, which knows its grid at any resolution.
        whole: what to encode.
        sink: makes, for a resolution, what the result is written to.
        resolution: of the result, None for the whole's own.
        overlap: share of a window that the next one covers again, from 0 to below 1.
        view: which points to encode from; None for all.
        chunk: points decoded at once.

    Returns:
        The file written, and figures at the whole's own resolution: mse, psnr, snr and the type's own.
    """
    device = gon.scale.device
    window = signal.grid(whole.resolution)
    coords = signal.coords(whole.resolution).to(device)
    starts = [window_starts(n, w, overlap) for n, w in zip(whole.shape, window, strict=True)]
    sides = list(product(*starts[1:]))
    rows_at_once = max(1, POINTS_AT_ONCE // (whole.tracks * len(sides) * len(coords)))
    compared = Compared(signal)
    same = _OverlapAdd(whole, window)
    finer = None
    if resolution is not None and resolution != whole.resolution:
        finer = _Rescaled(signal, whole, window, resolution, device)
    out = sink(resolution or whole.resolution)
    held, first, read = torch.empty(0), 0, 0  # what is read but not yet finished, and where it begins

    try:
        for index in range(0, len(starts[0]), rows_at_once):
            # Read up to the last window's end
            rows, later = starts[0][index:][:rows_at_once], starts[0][index + rows_at_once :]
            until = min(rows[-1] + window[0], whole.shape[0])
            fresh = whole.read(until - read)
            held, read = torch.cat([held, fresh], 1) if held.numel() else fresh, until

            # Encode and decode the windows
            places = [(row, *side) for row in rows for side in sides]
            values, mask = _cut(held, [(row - first, *side) for row, *side in places], window)
            looked = (view or View()).mask(_shares(places, window, whole.shape), seed=index)
            looked = None if looked is None else looked.repeat(whole.tracks, 1)
            latent = gon.encode(Batch(coords.cpu(), values, mask).seen(looked).to(device))
            same.add(places, gon.decode(latent, coords, chunk=chunk).cpu())
            if finer is not None:
                finer.add(gon, places, latent, chunk)

            # Write what no later window reaches
            done = later[0] if later else read
            finished = same.release(done)
            compared.add(finished, held[:, : done - first])
            out.write(finished if finer is None else finer.release(done))
            held, first = held[:, done - first :], done
        return out.close(), compared.summary()
    except BaseException:
        out.discard()
        raise


def window_starts(length: int, window: int, overlap: float = 0.5) -> list[int]:
    """Where windows begin along an axis: evenly, but the last one ends where the axis does.

    Example:
        >>> window_starts(10, 4, overlap=0.5), window_starts(9, 4, overlap=0.5), window_starts(3, 4)
        ([0, 2, 4, 6], [0, 2, 4, 5], [0])
    """
    hop = max(1, round(window * (1 - overlap)))
    return [*range(0, max(length - window, 0), hop), max(length - window, 0)]


class Compared:
    """Figures of a reconstruction that comes in stretches."""

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.count = 0
        self.error = self.power = 0.0
        self.own: dict[str, float] = {}
        self.weight = 0
        self.waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, prediction: Tensor, values: Tensor) -> None:
        """The next stretch, both (T, count, *rest, C)."""
        self.count += values.numel()
        self.error += (prediction - values).double().square().sum().item()
        self.power += values.double().square().sum().item()
        self.waiting.append((prediction, values))
        while sum(v.numel() for _, v in self.waiting) >= 2 * STRETCH:  # never leaves a short rest
            prediction, values = self._gathered()
            count = max(1, STRETCH * values.shape[1] // values.numel())
            self._judge(prediction[:, :count], values[:, :count])
            self.waiting = [(prediction[:, count:], values[:, count:])]

    def summary(self) -> dict[str, float]:
        """mse, psnr, snr, and means of the type's own metrics over stretches."""
        if self.waiting:
            self._judge(*self._gathered())
            self.waiting = []
        low, high = self.signal.value_range
        mse = self.error / self.count
        figures = {"mse": mse, "psnr": psnr(torch.tensor(mse), high - low).item()}
        power, error = torch.tensor([self.power, self.error], dtype=torch.float64)
        figures["snr"] = (10 * torch.log10(power / error)).item()
        return figures | {name: total / self.weight for name, total in self.own.items()}

    def _gathered(self) -> tuple[Tensor, Tensor]:
        prediction, values = (torch.cat(parts, 1) for parts in zip(*self.waiting, strict=True))
        return prediction, values

    def _judge(self, prediction: Tensor, values: Tensor) -> None:
        self.weight += values.numel()
        for name, metric in self.signal.metrics().items():
            self.own[name] = self.own.get(name, 0.0) + metric(prediction, values).mean().item() * values.numel()


class _OverlapAdd:
    """Sums weighted windows, and lets go of what is complete."""

    def __init__(self, whole: Whole, window: Sequence[int], shape: Sequence[int] | None = None) -> None:
        self.shape = tuple(shape or whole.shape)
        self.tracks = whole.tracks
        self.first = 0
        weight = torch.ones(())
        for size in window:  # sin² windows half over each other sum to one, and nowhere are they zero
            weight = weight.unsqueeze(-1) * torch.sin((torch.arange(size) + 0.5) * (math.pi / size)).square()
        self.weight = weight.unsqueeze(-1)  # (*window, 1)
        self.total, self.share = torch.empty(0), torch.empty(0)

    def add(self, places: Sequence[Sequence[int]], values: Tensor) -> None:
        """Windows (T·N, P, C) of the tracks, each with its N places."""
        values = values.reshape(self.tracks, len(places), *self.weight.shape[:-1], -1)
        self._reach(max(place[0] for place in places) + self.weight.shape[0], values.shape[-1])
        for number, place in enumerate(places):
            inside = tuple(slice(0, n - at) for n, at in zip(self.shape, place, strict=True))
            weight = self.weight[inside]
            local = zip((place[0] - self.first, *place[1:]), weight.shape[:-1], strict=True)
            where = tuple(slice(at, at + n) for at, n in local)
            self.share[where] += weight
            for track in range(self.tracks):
                self.total[track][where] += weight * values[track, number][inside]

    def release(self, until: int) -> Tensor:
        """Everything before `until` along the first axis that was not released yet, (T, count, *rest, C)."""
        count = until - self.first
        finished = self.total[:, :count] / self.share[:count]
        self.total, self.share, self.first = self.total[:, count:], self.share[count:], until
        return finished

    def _reach(self, until: int, channels: int) -> None:
        missing = min(until, self.shape[0]) - self.first - len(self.share)
        if missing > 0:
            rest = self.shape[1:]
            total, share = torch.zeros(self.tracks, missing, *rest, channels), torch.zeros(missing, *rest, 1)
            self.total = torch.cat([self.total, total], 1) if self.total.numel() else total
            self.share = torch.cat([self.share, share]) if self.share.numel() else share


class _Rescaled:
    """The same windows at another resolution, where they may begin between two points."""

    def __init__(
        self, signal: Signal, whole: Whole, window: Sequence[int], resolution: int, device: torch.device
    ) -> None:
        self.ratio = Fraction(resolution, whole.resolution)
        self.window = tuple(math.floor(n * self.ratio) for n in window)
        shape = tuple(math.floor(n * self.ratio) for n in whole.shape)
        self.joined = _OverlapAdd(whole, self.window, shape)
        grid = signal.grid(resolution)
        coords = signal.coords(resolution).unflatten(0, grid)[tuple(slice(n) for n in self.window)]
        self.coords = coords.flatten(0, -2).to(device)
        self.spacing = _spacing(signal, whole.resolution).to(device)
        self.last = shape[0]

    def add(self, gon: GON, places: Sequence[Sequence[int]], latent: Tensor, chunk: int | None) -> None:
        """Windows that begin at `places` of the whole, with the latents (T·N, K) of all tracks."""
        begin = [tuple(math.ceil(at * self.ratio) for at in place) for place in places]
        offset = torch.tensor(
            [
                [float(b / self.ratio - at) for b, at in zip(new, place, strict=True)]
                for new, place in zip(begin, places, strict=True)
            ]
        )
        shift = offset.to(self.spacing) * self.spacing  # (N, D)
        coords = self.coords
        if shift.any():
            coords = (self.coords + shift.unsqueeze(1)).repeat(len(latent) // len(places), 1, 1)
        self.joined.add(begin, gon.decode(latent, coords, chunk=chunk).cpu())

    def release(self, until: int) -> Tensor:
        """Everything before the place `until` of the whole."""
        return self.joined.release(min(math.ceil(until * self.ratio), self.last))


def _cut(held: Tensor, places: Sequence[Sequence[int]], window: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """Windows (T·N, P, C) out of (T, n, *rest, C), and (T·N, P) which points exist; None where all do."""
    extent = held.shape[1:-1]
    if all(n >= w for n, w in zip(extent, window, strict=True)):
        parts = [held[_box(place, window)] for place in places]
        return torch.stack(parts, 1).flatten(0, 1).flatten(1, -2), None
    lack = [max(0, w - n) for n, w in zip(extent, window, strict=True)]
    padding = [side for missing in reversed(lack) for side in (0, missing)]
    wide = torch.nn.functional.pad(held, (0, 0, *padding))
    there = torch.nn.functional.pad(torch.ones(held.shape[:-1], dtype=torch.bool), padding)
    parts = [wide[_box(place, window)] for place in places]
    masks = [there[_box(place, window)] for place in places]
    return torch.stack(parts, 1).flatten(0, 1).flatten(1, -2), torch.stack(masks, 1).flatten(0, 1).flatten(1)


def _shares(places: Sequence[Sequence[int]], window: Sequence[int], shape: Sequence[int]) -> Tensor:
    """(N, P, D) where the points of windows lie in the whole, from 0 to 1 along each axis."""
    axes = [torch.arange(size) + 0.5 for size in window]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
    return (grid + torch.tensor(places).unsqueeze(1)) / torch.tensor(shape)


def _box(place: Sequence[int], window: Sequence[int]) -> tuple[slice, ...]:
    return (slice(None), *(slice(at, at + n) for at, n in zip(place, window, strict=True)))


def _spacing(signal: Signal, resolution: int) -> Tensor:
    """(D,) how far apart two points of the grid are along each axis."""
    coords = signal.coords(resolution).unflatten(0, signal.grid(resolution))
    return torch.stack([coords.diff(dim=axis).flatten(0, -2)[0, axis] for axis in range(coords.shape[-1])])
