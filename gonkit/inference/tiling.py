"""Files larger than the training size: overlapping windows with a latent each, blended without seams."""

from __future__ import annotations

__all__ = ["reconstruct_tiled"]

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import Grid, ObservationMask, Signal, SignalReader, SignalWriter, window_starts
from gonkit.metrics import StreamingMetrics
from gonkit.nn import GON

MAX_POINTS = 1 << 20  # of all windows that are held together

Position = Sequence[int]  # first point of a window along each axis


@torch.no_grad()
def reconstruct_tiled(
    gon: GON,
    signal: Signal,
    reader: SignalReader,
    create_writer: Callable[[int], SignalWriter],
    resolution: int | None = None,
    *,
    overlap: float = 0.5,
    observation: ObservationMask | None = None,
    chunk: int | None = None,
) -> tuple[Path, dict[str, float]]:
    """Encodes and decodes a file window by window; memory does not grow with its first axis.

    Windows of the training extent lie on one shared grid, the last of them flush with the end, so that each sees only
    the file. Where they overlap they are blended by sin² weights that are normalized to sum to one. Points beyond the
    end of a file shorter than a window count as unobserved.

    Args:
        gon: the network.
        signal: the type, which gives the grid at any resolution.
        reader: of the file.
        create_writer: makes the writer of the result at a resolution.
        resolution: of the result, None for the file's own.
        overlap: share of a window that the next one covers again, from 0 to below 1.
        observation: which points to encode from; None for all.
        chunk: points decoded at once.

    Returns:
        The file written, and metrics at the file's own resolution: mse, psnr, snr and the type's own.
    """
    grid = signal.grid(reader.resolution)
    starts = [window_starts(n, w, overlap) for n, w in zip(reader.shape, grid.shape, strict=True)]
    columns = list(product(*starts[1:]))
    rows_at_once = max(1, MAX_POINTS // (reader.num_tracks * len(columns) * len(grid)))
    low, high = signal.value_range
    metrics = StreamingMetrics(high - low, signal.measures.metrics())
    buffer, same = _ReadBuffer(reader), _OverlapAdd(reader.num_tracks, grid.shape, reader.shape)
    rescaled = None
    if resolution is not None and resolution != reader.resolution:
        rescaled = _RescaledOverlapAdd(signal, reader, resolution, gon.device)
    writer = create_writer(resolution or reader.resolution)
    try:
        for index in range(0, len(starts[0]), rows_at_once):
            rows, later = starts[0][index:][:rows_at_once], starts[0][index + rows_at_once :]
            buffer.read_until(min(rows[-1] + grid.shape[0], reader.shape[0]))
            positions = [(row, *column) for row in rows for column in columns]
            batch = buffer.windows(positions, grid, observation or ObservationMask(), seed=index).to(gon.device)
            latent = gon.encode(batch)
            same.add(positions, gon.decode(latent, batch.coords, chunk=chunk).cpu())
            if rescaled is not None:
                rescaled.add(gon, positions, latent, chunk)
            done = later[0] if later else buffer.end  # no later window reaches what lies before
            finished = same.pop(done)
            metrics.update(finished, buffer.pop(done))
            writer.write(finished if rescaled is None else rescaled.pop(done))
        return writer.close(), metrics.compute()
    except BaseException:
        writer.abort()
        raise


class _ReadBuffer:
    """Values that were read and are not finished yet, (T, count, *rest, C)."""

    def __init__(self, reader: SignalReader) -> None:
        self.reader = reader
        self.values = torch.empty(0)
        self.start = self.end = 0

    def read_until(self, end: int) -> None:
        new = self.reader.read(end - self.end)
        self.values = torch.cat([self.values, new], 1) if self.values.numel() else new
        self.end = end

    def windows(self, positions: Sequence[Position], grid: Grid, observation: ObservationMask, seed: int) -> Batch:
        """(T·N) windows: for each track one at each of the N positions."""
        local = [(row - self.start, *rest) for row, *rest in positions]
        values, mask = _extract_windows(self.values, local, grid.shape)
        relative = _relative_positions(positions, grid.shape, self.reader.shape)
        observed = observation.mask(relative, seed)
        observed = None if observed is None else observed.repeat(self.reader.num_tracks, 1)
        return Batch(grid.coords, values, mask).with_mask(observed)

    def pop(self, until: int) -> Tensor:
        """Removes everything before `until` along the first axis, and returns it."""
        count = until - self.start
        finished, self.values, self.start = self.values[:, :count], self.values[:, count:], until
        return finished


class _OverlapAdd:
    """Sums weighted windows, and hands out what is complete."""

    def __init__(self, num_tracks: int, window: Sequence[int], shape: Sequence[int]) -> None:
        self.num_tracks, self.shape = num_tracks, tuple(shape)
        self.start = 0
        weight = torch.ones(())
        for size in window:  # sin² windows that overlap by half sum to one, and none is zero anywhere
            weight = weight.unsqueeze(-1) * torch.sin((torch.arange(size) + 0.5) * (math.pi / size)).square()
        self.weight = weight.unsqueeze(-1)  # (*window, 1)
        self.total, self.total_weight = torch.empty(0), torch.empty(0)

    def add(self, positions: Sequence[Position], values: Tensor) -> None:
        """Adds windows (T·N, P, C): for each track one at each of the N positions."""
        values = values.reshape(self.num_tracks, len(positions), *self.weight.shape[:-1], -1)
        self._extend(max(position[0] for position in positions) + self.weight.shape[0], values.shape[-1])
        for number, position in enumerate(positions):
            inside = tuple(slice(0, n - start) for n, start in zip(self.shape, position, strict=True))
            weight = self.weight[inside]
            local = zip((position[0] - self.start, *position[1:]), weight.shape[:-1], strict=True)
            target = tuple(slice(start, start + n) for start, n in local)
            self.total_weight[target] += weight
            for track in range(self.num_tracks):
                self.total[track][target] += weight * values[track, number][inside]

    def pop(self, until: int) -> Tensor:
        """Removes everything before `until` along the first axis, and returns it: (T, count, *rest, C)."""
        count = until - self.start
        finished = self.total[:, :count] / self.total_weight[:count]
        self.total, self.total_weight, self.start = self.total[:, count:], self.total_weight[count:], until
        return finished

    def _extend(self, until: int, channels: int) -> None:
        missing = min(until, self.shape[0]) - self.start - len(self.total_weight)
        if missing > 0:
            rest = self.shape[1:]
            total, weight = torch.zeros(self.num_tracks, missing, *rest, channels), torch.zeros(missing, *rest, 1)
            self.total = torch.cat([self.total, total], 1) if self.total.numel() else total
            self.total_weight = torch.cat([self.total_weight, weight]) if self.total_weight.numel() else weight


class _RescaledOverlapAdd:
    """The same windows at another resolution, where they may begin between two points."""

    def __init__(self, signal: Signal, reader: SignalReader, resolution: int, device: torch.device) -> None:
        self.ratio = Fraction(resolution, reader.resolution)
        grid, fine = signal.grid(reader.resolution), signal.grid(resolution)
        window = tuple(math.floor(n * self.ratio) for n in grid.shape)
        shape = tuple(math.floor(n * self.ratio) for n in reader.shape)
        self.overlap_add = _OverlapAdd(reader.num_tracks, window, shape)
        coords = fine.coords.unflatten(0, fine.shape)[tuple(slice(n) for n in window)]
        self.coords = coords.flatten(0, -2).to(device)
        self.spacing = grid.spacing.to(device)
        self.length = shape[0]

    def add(self, gon: GON, positions: Sequence[Position], latent: Tensor, chunk: int | None) -> None:
        """Adds windows that begin at `positions` of the file, with the latents (T·N, K) of all tracks."""
        begin = [tuple(math.ceil(start * self.ratio) for start in position) for position in positions]
        offset = torch.tensor(
            [
                [float(new / self.ratio - old) for new, old in zip(fine, coarse, strict=True)]
                for fine, coarse in zip(begin, positions, strict=True)
            ]
        )
        shift = offset.to(self.spacing) * self.spacing  # (N, D)
        coords = self.coords
        if shift.any():
            coords = (self.coords + shift.unsqueeze(1)).repeat(len(latent) // len(positions), 1, 1)
        self.overlap_add.add(begin, gon.decode(latent, coords, chunk=chunk).cpu())

    def pop(self, until: int) -> Tensor:
        """Removes everything before position `until` of the file, and returns it."""
        return self.overlap_add.pop(min(math.ceil(until * self.ratio), self.length))


def _extract_windows(
    values: Tensor, positions: Sequence[Position], window: Sequence[int]
) -> tuple[Tensor, Tensor | None]:
    """Windows (T·N, P, C) of values (T, n, *rest, C), and which of their points exist (T·N, P); None if all do."""
    extent = values.shape[1:-1]
    if all(n >= w for n, w in zip(extent, window, strict=True)):
        parts = [values[_window_slices(position, window)] for position in positions]
        return torch.stack(parts, 1).flatten(0, 1).flatten(1, -2), None
    missing = [max(0, w - n) for n, w in zip(extent, window, strict=True)]
    padding = [side for lack in reversed(missing) for side in (0, lack)]
    padded = torch.nn.functional.pad(values, (0, 0, *padding))
    exists = torch.nn.functional.pad(torch.ones(values.shape[:-1], dtype=torch.bool), padding)
    parts = [padded[_window_slices(position, window)] for position in positions]
    masks = [exists[_window_slices(position, window)] for position in positions]
    return torch.stack(parts, 1).flatten(0, 1).flatten(1, -2), torch.stack(masks, 1).flatten(0, 1).flatten(1)


def _relative_positions(positions: Sequence[Position], window: Sequence[int], shape: Sequence[int]) -> Tensor:
    """(N, P, D) positions of the windows' points in the file, from 0 to 1 along each axis."""
    axes = [torch.arange(size) + 0.5 for size in window]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
    return (grid + torch.tensor(positions).unsqueeze(1)) / torch.tensor(shape)


def _window_slices(position: Position, window: Sequence[int]) -> tuple[slice, ...]:
    return (slice(None), *(slice(start, start + n) for start, n in zip(position, window, strict=True)))
