"""Losses on short-time spectra of signals along a one-dimensional grid."""

from __future__ import annotations

__all__ = ["STFTLoss", "SpectralLoss", "clamped_log"]

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses.base import Loss
from gonkit.metrics import stft_magnitude

HOPS = 2  # over a window: twice as many take twice the time and teach no more
EPS = 1e-12  # keeps the slope of a square root finite


class SpectralLoss(Loss):
    """Base of losses on spectra; unobserved points count as zero in prediction and values alike."""

    needs_contiguous_points: ClassVar[bool] = True

    def pair(self, prediction: Prediction, batch: Batch) -> tuple[Tensor, Tensor]:
        """Prediction and values, (B, C, P) each."""
        x, y = prediction.values, batch.values
        if batch.observed is not None:
            x, y = (t.where(batch.observed, 0.0) for t in (x, y))
        return x.mT, y.mT


@dataclass(frozen=True)
class STFTLoss(SpectralLoss):
    """Spectral convergence plus mean absolute difference of log magnitudes, averaged over window sizes and channels.

    Yamamoto, Song & Kim, Parallel WaveGAN (2020), equations 4–6.

    Attributes:
        sizes: of the windows, in points.
        floor: magnitude below which spectra count as equal; white noise of standard deviation 1 has magnitude 1.
    """

    sizes: tuple[int, ...] = (64, 256, 1024)
    floor: float = 0.01

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        x, y = self.pair(prediction, batch)
        parts = []
        for size in self.sizes:
            a, b = (stft_magnitude(t, size, HOPS) for t in (x, y))  # (B, C, frequencies, frames)
            error, power = (t.square().sum((-1, -2)) for t in (a - b, b))
            convergence = (error / (power + self.floor**2) + EPS).sqrt()
            logs = (clamped_log(a, self.floor) - clamped_log(b, self.floor)).abs().mean((-1, -2))
            parts.append((convergence + logs).mean(1))
        return torch.stack(parts).mean(0)


def clamped_log(values: Tensor, floor: float) -> Tensor:
    """Logarithm of max(values, floor)."""
    return values.clamp_min(floor).log()
