"""Windows over wholes: nothing lost, nothing doubled, whatever the size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from gonkit import tiles
from gonkit.gon import GON
from gonkit.losses import MSE
from gonkit.signal import Batch, Resident, Signal, Split
from gonkit.siren import Siren
from gonkit.tiles import Sink, Whole, reconstruct, window_starts

SIDE = 8


class Grid(Signal):
    """Any values on a D-dimensional grid at centers, for which a whole is a tensor."""

    coord_dim: ClassVar[int] = 2
    dims: int = 2

    @property
    def channels(self) -> int:
        return 1

    def grid(self, resolution: int | None = None) -> tuple[int, ...]:
        return (resolution or SIDE,) * self.dims

    def coords(self, resolution: int | None = None) -> Tensor:
        size = resolution or SIDE
        axis = (torch.arange(size) + 0.5) * (2 / size) - 1
        return torch.stack(torch.meshgrid(*[axis] * self.dims, indexing="ij"), -1).flatten(0, -2)

    def dataset(self, split: Split) -> Resident:
        raise NotImplementedError

    def render(self, values: Tensor, resolution: int | None = None) -> Tensor:
        return values

    def picture(self, thing: Any) -> Image.Image:
        raise NotImplementedError


class Kept(Whole, Sink):
    """A whole and a sink in memory."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.tracks, self.shape = len(values), tuple(values.shape[1:-1])
        self.resolution = SIDE
        self.place, self.most = 0, 0
        self.written: list[Tensor] = []

    def read(self, count: int) -> Tensor:
        self.place += count
        self.most = max(self.most, count)
        return self.values[:, self.place - count : self.place]

    def write(self, values: Tensor) -> None:
        self.written.append(values)

    def close(self) -> Path:
        return Path("kept")

    def discard(self) -> None:
        self.written.clear()


class Perfect(GON):
    """Latents that hold every value on the training grid, and decode to its nearest point."""

    def __init__(self, dims: int) -> None:
        super().__init__(Siren(dims, 1, SIDE**dims, width=2, layers=1), MSE(), step=1.0)
        self.dims = dims

    def encode(self, batch: Batch, chunk: int = 1024) -> Tensor:
        values = batch.values if batch.mask is None else batch.values.where(batch.mask.unsqueeze(-1), 7e7)
        return values.squeeze(-1)

    def decode(self, latent: Tensor, coords: Tensor, *_: Any, **__: Any) -> Tensor:
        nearest = ((coords + 1) * (SIDE / 2) + 1e-3).floor().long().clamp(0, SIDE - 1)
        index = sum(nearest[..., d] * SIDE ** (self.dims - 1 - d) for d in range(self.dims))
        assert isinstance(index, Tensor)
        return latent.gather(1, index.expand(len(latent), -1)).unsqueeze(-1)


def run(values: Tensor, resolution: int | None = None, overlap: float = 0.5) -> tuple[Tensor, dict[str, float], Kept]:
    dims = values.ndim - 2
    kept = Kept(values)
    _, figures = reconstruct(Perfect(dims), Grid(dims=dims), kept, lambda _: kept, resolution, overlap=overlap)
    return torch.cat(kept.written, 1), figures, kept


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 30), min_size=1, max_size=2),
    tracks=st.integers(1, 2),
    overlap=st.sampled_from([0.0, 0.3, 0.5, 0.75]),
)
def test_every_size_comes_back_exactly(shape: list[int], tracks: int, overlap: float) -> None:
    values = torch.rand(tracks, *shape, 1)
    back, figures, _ = run(values, overlap=overlap)
    assert back.shape == values.shape
    assert torch.allclose(back, values, atol=1e-6)
    assert figures["snr"] > 100


class Straight(GON):
    """Latents that hold a window's mean and slopes, and decode to the plane through them."""

    def __init__(self) -> None:
        super().__init__(Siren(2, 1, 3, width=2, layers=1), MSE(), step=1.0)

    def encode(self, batch: Batch, chunk: int = 1024) -> Tensor:
        planes = torch.cat([torch.ones(len(batch.coords), 1), batch.coords], 1)
        return torch.linalg.lstsq(planes.double(), batch.values.squeeze(-1).double().T).solution.T

    def decode(self, latent: Tensor, coords: Tensor, *_: Any, **__: Any) -> Tensor:
        planes = torch.cat([torch.ones(*coords.shape[:-1], 1), coords], -1).double()
        return (planes * latent.unsqueeze(1)).sum(-1, keepdim=True).float()


@pytest.mark.parametrize("overlap", [0.0, 0.5])
@pytest.mark.parametrize("resolution", [4, 5, 8, 11, 13, 20])
def test_another_resolution_keeps_every_point_in_its_place(resolution: int, overlap: float) -> None:
    def ramp(rows: int, columns: int, scale: float) -> Tensor:
        row, column = ((torch.arange(n) + 0.5) / scale for n in (rows, columns))
        return (0.3 * row.unsqueeze(1) - 0.2 * column).unsqueeze(-1)

    kept = Kept(ramp(27, 19, 1.0).unsqueeze(0))
    _, figures = reconstruct(Straight(), Grid(), kept, lambda _: kept, resolution, overlap=overlap)
    scale = resolution / SIDE
    expected = ramp(math.floor(27 * scale), math.floor(19 * scale), scale)
    torch.testing.assert_close(torch.cat(kept.written, 1)[0], expected, atol=1e-4, rtol=0)
    assert figures["snr"] > 80  # judged where the originals are


def test_windows_end_where_the_whole_does() -> None:
    for length in range(1, 40):
        starts = window_starts(length, 8, 0.5)
        assert starts == sorted(set(starts))
        assert starts[-1] == max(0, length - 8)
        covered = {i for start in starts for i in range(start, min(start + 8, length))}
        assert covered == set(range(length))


def test_what_is_held_does_not_grow_with_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "POINTS_AT_ONCE", 128)
    values = torch.rand(1, 5000, 1)
    back, _, kept = run(values)
    assert torch.allclose(back, values, atol=1e-6)
    assert kept.most <= 128
    assert max(part.shape[1] for part in kept.written) <= 128


def test_long_files_are_judged_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "STRETCH", 100)
    monkeypatch.setattr(tiles, "POINTS_AT_ONCE", 64)
    seen: list[int] = []

    def counted(prediction: Tensor, values: Tensor) -> Tensor:
        seen.append(values.shape[1])
        return values.mean((1, 2))

    monkeypatch.setattr(Grid, "metrics", lambda self: {"mean": counted})
    values = torch.rand(1, 731, 1)
    _, figures, _ = run(values)
    assert sum(seen) == 731
    assert min(seen) >= 100
    assert figures["mean"] == pytest.approx(values.mean().item(), abs=1e-6)
    assert figures["mse"] < 1e-12


def test_overlap_hides_the_seams_of_disagreeing_windows() -> None:
    class Disagreeing(Perfect):
        def decode(self, latent: Tensor, coords: Tensor, *_: Any, **__: Any) -> Tensor:
            flip = torch.tensor([1.0, -1.0]).repeat(len(latent))[: len(latent)]
            return flip.view(-1, 1, 1).expand(-1, coords.shape[-2], 1)

    def largest_jump(overlap: float) -> float:
        kept = Kept(torch.rand(1, 64, 1))
        reconstruct(Disagreeing(1), Grid(dims=1), kept, lambda _: kept, overlap=overlap)
        return torch.cat(kept.written, 1)[0, :, 0].diff().abs().max().item()

    assert largest_jump(0.0) == pytest.approx(2.0)
    assert largest_jump(0.5) < 0.8
