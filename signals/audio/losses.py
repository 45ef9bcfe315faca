"""A loss on mel spectra, which weights frequencies as hearing does."""

from __future__ import annotations

__all__ = ["LogMelLoss"]

import warnings
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses import SpectralLoss, clamped_log
from gonkit.metrics import stft_magnitude


@dataclass(frozen=True)
class LogMelLoss(SpectralLoss):
    """Mean absolute difference of log mel power spectra.

    Attributes:
        rate: sampling rate, in Hz.
        bands: number of mel bands from 0 to rate/2, on the HTK scale.
        size: of the window, in points.
        floor: power below which bands count as equal; white noise of standard deviation 1 has power 1 in each bin.
    """

    rate: int
    bands: int = 40
    size: int = 512
    floor: float = 1e-3

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        x, y = self.pair(prediction, batch)
        size = min(self.size, x.shape[-1])
        bank = _mel_bank(size // 2 + 1, self.bands, self.rate).to(x)  # (frequencies, bands)
        powers = (stft_magnitude(one, size).square() for one in (x, y))  # (B, C, frequencies, frames) each
        a, b = (clamped_log(torch.einsum("bcft,fm->bcmt", power, bank), self.floor) for power in powers)
        return (a - b).abs().mean((1, 2, 3))


@lru_cache
def _mel_bank(frequencies: int, bands: int, rate: int) -> Tensor:
    """(frequencies, bands) triangular filters, without the bands that are so narrow that they contain no frequency."""
    from torchaudio.functional import melscale_fbanks

    with warnings.catch_warnings(action="ignore"):
        bank: Tensor = melscale_fbanks(frequencies, 0.0, rate / 2, bands, rate)
    return bank[:, bank.sum(0) > 0]
