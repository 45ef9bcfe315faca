"""Metrics of a data set, updated batch by batch; and of one long signal, updated segment by segment."""

from __future__ import annotations

__all__ = ["MetricAccumulator", "StreamingMetrics"]

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.metrics.reconstruction import batch_mse, psnr, snr

CHUNK_SIZE = 1 << 20  # numbers of a long signal over which its type's metrics are computed at a time
MIN_MSE = 1e-12  # keeps the PSNR of an exact reconstruction finite, so that a mean over signals exists

Metric = Callable[[Tensor, Tensor], Tensor]


class MetricAccumulator:
    """Means over signals.

    Args:
        data_range: highest minus lowest value of the signal type.
        metrics: by name: functions of predictions and values, (B, *grid_shape, C) each, that return (B,).
        grid_shape: of the signal type. Signals with points of their own are passed to the metrics as (B, P, C).

    Example:
        >>> accumulator = MetricAccumulator(1.0, {"bias": lambda x, y: (x - y).mean((1, 2))}, (4,))
        >>> batch = Batch(torch.zeros(4, 1), torch.ones(2, 4, 1))
        >>> accumulator.update(batch.values - 0.5, batch)
        >>> {name: round(value, 3) for name, value in accumulator.compute().items()}
        {'mse': 0.25, 'bias': -0.5, 'snr': 6.021, 'psnr': 6.021, 'psnr_mean': 6.021}
    """

    def __init__(self, data_range: float, metrics: Mapping[str, Metric], grid_shape: tuple[int, ...]) -> None:
        self.data_range, self.metrics, self.grid_shape = data_range, metrics, grid_shape
        self.per_signal: dict[str, list[Tensor]] = {}

    def update(self, prediction: Tensor, batch: Batch) -> None:
        """Adds signals with their predictions (B, P, C), in the signal type's range."""
        self._append("mse", batch_mse(prediction, batch))
        self._append("power", batch_mse(torch.zeros_like(batch.values), batch))
        if batch.mask is not None:  # metrics of a type need every value
            return
        points = batch.values.shape[1]
        on_grid = batch.shares_coords and points == math.prod(self.grid_shape)
        shape = self.grid_shape if on_grid else (points,)
        for name, metric in self.metrics.items():
            self._append(name, metric(prediction.unflatten(1, shape), batch.values.unflatten(1, shape)))

    def compute(self) -> dict[str, float]:
        """Means over signals.

        Returns:
            `mse`; the type's metrics; in dB `snr`, of the mean power to the mean error, `psnr`, of the mean error, and
            `psnr_mean`, the mean of the signals' own. Signals of which nothing was observed do not count;
            `unobserved_signals` is their number, if there are any.
        """
        per_signal = {name: torch.cat(parts).double() for name, parts in self.per_signal.items()}
        mse, power = per_signal["mse"], per_signal.pop("power")
        means = {name: values.nanmean().item() for name, values in per_signal.items()}
        unobserved = mse.isnan().sum().item()
        return (
            means
            | {
                "snr": snr(power.nanmean(), mse.nanmean()).item(),
                "psnr": psnr(mse.nanmean(), self.data_range).item(),
                "psnr_mean": psnr(mse.clamp_min(MIN_MSE), self.data_range).nanmean().item(),
            }
            | ({"unobserved_signals": float(unobserved)} if unobserved else {})
        )

    def _append(self, name: str, values: Tensor) -> None:
        self.per_signal.setdefault(name, []).append(values.cpu())


class StreamingMetrics:
    """Metrics of a signal that is reconstructed segment by segment, in memory that does not grow with its length.

    Args:
        data_range: highest minus lowest value of the signal type.
        metrics: by name: functions of predictions and values, (T, n, *rest, C) each, that return (T,).
    """

    def __init__(self, data_range: float, metrics: Mapping[str, Metric]) -> None:
        self.data_range, self.metrics = data_range, metrics
        self.count = self.measured = 0
        self.error = self.power = 0.0
        self.totals: dict[str, float] = {}
        self.pending: list[tuple[Tensor, Tensor]] = []

    def update(self, prediction: Tensor, values: Tensor) -> None:
        """Adds the next segment along the first axis of the grid, (T, n, *rest, C) each."""
        self.count += values.numel()
        self.error += (prediction - values).double().square().sum().item()
        self.power += values.double().square().sum().item()
        self.pending.append((prediction, values))
        while sum(part.numel() for _, part in self.pending) >= 2 * CHUNK_SIZE:  # so that the last chunk is never short
            prediction, values = self._join_pending()
            length = max(1, CHUNK_SIZE * values.shape[1] // values.numel())
            self._measure(prediction[:, :length], values[:, :length])
            self.pending = [(prediction[:, length:], values[:, length:])]

    def compute(self) -> dict[str, float]:
        """`mse`, `psnr` and `snr` in dB, and means of the type's metrics over chunks."""
        if self.pending:
            self._measure(*self._join_pending())
            self.pending = []
        mse = self.error / self.count
        power, error = torch.tensor([self.power, self.error], dtype=torch.float64)
        return {
            "mse": mse,
            "psnr": psnr(torch.tensor(mse, dtype=torch.float64), self.data_range).item(),
            "snr": snr(power, error).item(),
        } | {name: total / self.measured for name, total in self.totals.items()}

    def _join_pending(self) -> tuple[Tensor, Tensor]:
        prediction, values = (torch.cat(parts, 1) for parts in zip(*self.pending, strict=True))
        return prediction, values

    def _measure(self, prediction: Tensor, values: Tensor) -> None:
        self.measured += values.numel()
        for name, metric in self.metrics.items():
            total = metric(prediction, values).mean().item() * values.numel()
            self.totals[name] = self.totals.get(name, 0.0) + total
