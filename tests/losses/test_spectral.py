"""Losses on short-time spectra: gonkit's own, and the one on mel bands that audio adds."""

from __future__ import annotations

import pytest
import torch

from gonkit.batch import Batch, Prediction
from gonkit.losses import SpectralLoss, STFTLoss
from signals.audio.losses import LogMelLoss

LOSSES = [STFTLoss(sizes=(16, 64)), LogMelLoss(rate=8000, bands=10, size=64)]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_spectral_losses_measure_pitch_and_level_but_not_phase(loss: SpectralLoss) -> None:
    time = torch.arange(200) / 8000
    low, high = (torch.sin(6.283185 * hertz * time).view(1, 200, 1) for hertz in (440.0, 880.0))
    batch = Batch(torch.linspace(-1, 1, 200).unsqueeze(1), torch.cat([low, low]))

    def cost(values: torch.Tensor) -> torch.Tensor:
        return loss(Prediction(values, torch.zeros(2, 1)), batch)

    assert cost(torch.cat([low, low])).max() < 1e-5
    assert cost(torch.cat([-low, -low])).max() < 1e-4
    quieter, other = cost(torch.cat([low / 2, high]))
    assert 0 < quieter < other
    masked = Batch(batch.coords, batch.values, torch.zeros(2, 200, dtype=torch.bool))
    assert loss(Prediction(torch.cat([low, high]), torch.zeros(2, 1)), masked).max() < 1e-5


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_spectral_losses_can_be_differentiated_twice(loss: SpectralLoss) -> None:
    torch.manual_seed(0)
    batch = Batch(torch.linspace(-1, 1, 40, dtype=torch.float64).unsqueeze(1), torch.randn(2, 40, 1).double())

    def cost(values: torch.Tensor) -> torch.Tensor:
        return loss(Prediction(values, torch.zeros(2, 1)), batch)

    values = torch.randn(2, 40, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cost, values)
    assert torch.autograd.gradgradcheck(cost, values)
