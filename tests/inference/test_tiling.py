"""Files tiled into windows: no point lost, none counted twice, whatever the size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import Grid, InMemoryDataset, Measures, Metric, Signal, SignalReader, SignalWriter, Split
from gonkit.inference import reconstruct_tiled, tiling
from gonkit.losses import MSELoss
from gonkit.metrics import accumulators
from gonkit.nn import GON, GradientStep, Siren

SIDE = 8


class Values(Signal):
    """Any values at the centers of a grid."""

    dims: int = 2

    @property
    def channels(self) -> int:
        return 1

    def grid(self, resolution: int | None = None) -> Grid:
        return Grid.centers(*[resolution or SIDE] * self.dims)

    def dataset(self, split: Split) -> InMemoryDataset:
        raise NotImplementedError


class InMemoryFile(SignalReader, SignalWriter):
    """A file to read and a file to write, in memory."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.num_tracks, self.shape = len(values), tuple(values.shape[1:-1])
        self.resolution = SIDE
        self.position, self.largest_read = 0, 0
        self.written: list[Tensor] = []

    def read(self, count: int) -> Tensor:
        self.position += count
        self.largest_read = max(self.largest_read, count)
        return self.values[:, self.position - count : self.position]

    def write(self, values: Tensor) -> None:
        self.written.append(values)

    def close(self) -> Path:
        return Path("memory")

    def abort(self) -> None:
        self.written.clear()


class Perfect(GON):
    """Latents that hold every value on the training grid, decoded to the nearest point's."""

    def __init__(self, dims: int) -> None:
        super().__init__(Siren(dims, 1, SIDE**dims, width=2, layers=1), MSELoss(), GradientStep(1.0))
        self.dims = dims

    def encode(self, batch: Batch) -> Tensor:
        values = batch.values if batch.mask is None else batch.values.where(batch.mask.unsqueeze(-1), 7e7)
        return values.squeeze(-1)

    def decode(self, latent: Tensor, coords: Tensor, *_: Any, **__: Any) -> Tensor:
        nearest = ((coords + 1) * (SIDE / 2) + 1e-3).floor().long().clamp(0, SIDE - 1)
        index = sum(nearest[..., d] * SIDE ** (self.dims - 1 - d) for d in range(self.dims))
        assert isinstance(index, Tensor)
        return latent.gather(1, index.expand(len(latent), -1)).unsqueeze(-1)


class Planes(GON):
    """Latents that hold a window's mean and slopes, decoded to the plane with them."""

    def __init__(self) -> None:
        super().__init__(Siren(2, 1, 3, width=2, layers=1), MSELoss(), GradientStep(1.0))

    def encode(self, batch: Batch) -> Tensor:
        basis = torch.cat([torch.ones(len(batch.coords), 1), batch.coords], 1)
        return torch.linalg.lstsq(basis.double(), batch.values.squeeze(-1).double().T).solution.T

    def decode(self, latent: Tensor, coords: Tensor, *_: Any, **__: Any) -> Tensor:
        basis = torch.cat([torch.ones(*coords.shape[:-1], 1), coords], -1).double()
        return (basis * latent.unsqueeze(1)).sum(-1, keepdim=True).float()


def reconstruct(
    values: Tensor, resolution: int | None = None, overlap: float = 0.5
) -> tuple[Tensor, dict[str, float], InMemoryFile]:
    dims = values.ndim - 2
    file = InMemoryFile(values)
    _, metrics = reconstruct_tiled(Perfect(dims), Values(dims=dims), file, lambda _: file, resolution, overlap=overlap)
    return torch.cat(file.written, 1), metrics, file


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 30), min_size=1, max_size=2),
    tracks=st.integers(1, 2),
    overlap=st.sampled_from([0.0, 0.3, 0.5, 0.75]),
)
def test_every_size_is_reconstructed_exactly(shape: list[int], tracks: int, overlap: float) -> None:
    values = torch.rand(tracks, *shape, 1)
    reconstructed, metrics, _ = reconstruct(values, overlap=overlap)
    assert reconstructed.shape == values.shape
    assert torch.allclose(reconstructed, values, atol=1e-6)
    assert metrics["snr"] > 100


@pytest.mark.parametrize("overlap", [0.0, 0.5])
@pytest.mark.parametrize("resolution", [4, 5, 8, 11, 13, 20])
def test_another_resolution_keeps_every_point_in_its_position(resolution: int, overlap: float) -> None:
    def ramp(rows: int, columns: int, scale: float) -> Tensor:
        row, column = ((torch.arange(n) + 0.5) / scale for n in (rows, columns))
        return (0.3 * row.unsqueeze(1) - 0.2 * column).unsqueeze(-1)

    file = InMemoryFile(ramp(27, 19, 1.0).unsqueeze(0))
    _, metrics = reconstruct_tiled(Planes(), Values(), file, lambda _: file, resolution, overlap=overlap)
    scale = resolution / SIDE
    expected = ramp(math.floor(27 * scale), math.floor(19 * scale), scale)
    torch.testing.assert_close(torch.cat(file.written, 1)[0], expected, atol=1e-4, rtol=0)
    assert metrics["snr"] > 80  # measured at the file's own resolution


def test_memory_does_not_grow_with_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "MAX_POINTS", 128)
    values = torch.rand(1, 5000, 1)
    reconstructed, _, file = reconstruct(values)
    assert torch.allclose(reconstructed, values, atol=1e-6)
    assert file.largest_read <= 128
    assert max(part.shape[1] for part in file.written) <= 128


def test_long_files_are_measured_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accumulators, "CHUNK_SIZE", 100)
    monkeypatch.setattr(tiling, "MAX_POINTS", 64)
    lengths: list[int] = []

    def mean(prediction: Tensor, values: Tensor) -> Tensor:
        lengths.append(values.shape[1])
        return values.mean((1, 2))

    class WithMean(Measures):
        def metrics(self) -> Mapping[str, Metric]:
            return {"mean": mean}

    monkeypatch.setattr(Values, "measures", WithMean())
    values = torch.rand(1, 731, 1)
    _, metrics, _ = reconstruct(values)
    assert sum(lengths) == 731
    assert min(lengths) >= 100
    assert metrics["mean"] == pytest.approx(values.mean().item(), abs=1e-6)
    assert metrics["mse"] < 1e-12


def test_overlap_hides_the_seams_of_disagreeing_windows() -> None:
    class Disagreeing(Perfect):
        def decode(self, latent: Tensor, coords: Tensor, *_: Any, **__: Any) -> Tensor:
            sign = torch.tensor([1.0, -1.0]).repeat(len(latent))[: len(latent)]
            return sign.view(-1, 1, 1).expand(-1, coords.shape[-2], 1)

    def largest_jump(overlap: float) -> float:
        file = InMemoryFile(torch.rand(1, 64, 1))
        reconstruct_tiled(Disagreeing(1), Values(dims=1), file, lambda _: file, overlap=overlap)
        return torch.cat(file.written, 1)[0, :, 0].diff().abs().max().item()

    assert largest_jump(0.0) == pytest.approx(2.0)
    assert largest_jump(0.5) < 0.8


def test_a_failure_leaves_no_file() -> None:
    class Failing(Perfect):
        def decode(self, latent: Tensor, coords: Tensor, *_: Any, **__: Any) -> Tensor:
            raise RuntimeError("no memory left")

    file = InMemoryFile(torch.rand(1, 20, 1))
    file.written.append(torch.zeros(1, 3, 1))
    with pytest.raises(RuntimeError, match="no memory left"):
        reconstruct_tiled(Failing(1), Values(dims=1), file, lambda _: file)
    assert not file.written
