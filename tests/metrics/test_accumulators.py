"""Metrics that are updated batch by batch, or segment by segment."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.metrics import MetricAccumulator, StreamingMetrics, psnr, snr
from gonkit.metrics import accumulators as module


def max_error(prediction: Tensor, values: Tensor) -> Tensor:
    return (prediction - values).abs().flatten(1).amax(1)


def mean_error(prediction: Tensor, values: Tensor) -> Tensor:
    return (prediction - values).flatten(1).mean(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_what_was_not_observed_counts_nowhere() -> None:
    values, error = torch.rand(3, 4, 2), torch.tensor([0.1, 0.3])
    mask = torch.zeros(3, 4, 2, dtype=torch.bool)
    mask[0, :, 0] = mask[1, :2] = True  # one channel of the first signal, two points of the second, none of the third
    spoilt = values.where(mask, torch.nan)
    accumulator = MetricAccumulator(1.0, {}, (4,))
    accumulator.update(values + error, Batch(torch.zeros(4, 1), spoilt, mask))
    metrics = accumulator.compute()
    assert metrics["unobserved_signals"] == 1
    assert metrics["mse"] == pytest.approx((0.01 + (0.01 + 0.09) / 2) / 2)
    assert metrics["psnr"] == pytest.approx(psnr(torch.tensor(metrics["mse"]), 1.0).item())
    nothing = MetricAccumulator(1.0, {}, (4,))
    nothing.update(values, Batch(torch.zeros(4, 1), values, torch.zeros(3, 4, dtype=torch.bool)))
    assert all(value != value for name, value in nothing.compute().items() if name != "unobserved_signals")


def test_batches_give_the_means_over_all_signals() -> None:
    coords, values = torch.rand(12, 2), torch.rand(7, 12, 2)
    prediction = values + 0.1 * torch.randn_like(values)
    accumulator = MetricAccumulator(2.0, {"max_error": max_error}, (3, 4))
    for part in (slice(0, 4), slice(4, 7)):
        accumulator.update(prediction[part], Batch(coords, values[part]))
    metrics = accumulator.compute()
    mse = (prediction - values).square().mean((1, 2)).double()
    assert metrics.keys() == {"mse", "psnr", "psnr_mean", "snr", "max_error"}
    assert metrics["mse"] == pytest.approx(mse.mean().item(), rel=1e-6)
    assert metrics["psnr"] == pytest.approx(psnr(mse.mean(), 2.0).item(), rel=1e-6)
    assert metrics["psnr_mean"] == pytest.approx(psnr(mse, 2.0).mean().item(), rel=1e-6)
    assert metrics["snr"] == pytest.approx(snr(values.square().mean(), mse.mean()).item(), rel=1e-5)
    assert metrics["max_error"] == pytest.approx(max_error(prediction, values).mean().item(), rel=1e-6)


def test_a_type_s_metrics_get_the_grid_where_points_lie_on_it_and_rows_elsewhere() -> None:
    shapes = []

    def shape(prediction: Tensor, values: Tensor) -> Tensor:
        assert prediction.shape == values.shape
        shapes.append(tuple(values.shape))
        return torch.zeros(len(values))

    accumulator = MetricAccumulator(1.0, {"shape": shape}, (3, 4))
    for coords, points in ((torch.rand(12, 2), 12), (torch.rand(5, 12, 2), 12), (torch.rand(9, 2), 9)):
        accumulator.update(torch.rand(5, points, 1), Batch(coords, torch.rand(5, points, 1)))
    assert shapes == [(5, 3, 4, 1), (5, 12, 1), (5, 9, 1)]


def test_an_exact_reconstruction_has_a_finite_mean_psnr_and_masks_leave_out_a_type_s_metrics() -> None:
    values = torch.rand(2, 6, 1)
    mask = torch.tensor([[True] * 6, [True, True, True, False, False, False]])
    spoilt = values.where(mask.unsqueeze(-1), torch.nan)
    accumulator = MetricAccumulator(1.0, {"max_error": max_error}, (6,))
    accumulator.update(values, Batch(torch.rand(6, 1), spoilt, mask))
    metrics = accumulator.compute()
    assert metrics.keys() == {"mse", "psnr", "psnr_mean", "snr"}
    assert metrics["mse"] == 0
    assert metrics["psnr"] == metrics["snr"] == float("inf")
    assert metrics["psnr_mean"] == pytest.approx(120)


@pytest.mark.parametrize("chunk_size", [40, 1 << 20])
def test_segments_give_the_metrics_of_the_whole(chunk_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_SIZE", chunk_size)
    values = torch.rand(2, 101, 3, 1)  # two tracks, with a second axis
    prediction = values + 0.1 * torch.randn_like(values)
    metrics = StreamingMetrics(2.0, {"mean_error": mean_error})
    for part in (slice(0, 1), slice(1, 50), slice(50, 53), slice(53, 101)):
        metrics.update(prediction[:, part], values[:, part])
    computed = metrics.compute()
    mse = (prediction - values).double().square().mean()
    assert computed["mse"] == pytest.approx(mse.item(), rel=1e-6)
    assert computed["psnr"] == pytest.approx(psnr(mse, 2.0).item(), rel=1e-6)
    assert computed["snr"] == pytest.approx(snr(values.double().square().mean(), mse).item(), rel=1e-6)
    assert computed["mean_error"] == pytest.approx(mean_error(prediction, values).mean().item(), abs=1e-6)


def test_a_long_signal_is_measured_in_chunks_none_of_them_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_SIZE", 20)
    lengths = []

    def length(prediction: Tensor, values: Tensor) -> Tensor:
        lengths.append(values.shape[1])
        return torch.zeros(len(values))

    metrics = StreamingMetrics(1.0, {"length": length})
    for count in (3, 50, 1, 1, 44):
        metrics.update(torch.zeros(2, count, 1), torch.ones(2, count, 1))
        assert sum(part.numel() for _, part in metrics.pending) < 40
    metrics.compute()
    assert sum(lengths) == 99
    assert set(lengths[:-1]) == {10}  # 20 numbers of two tracks
    assert 10 <= lengths[-1] < 20
