"""How well points are predicted that were not observed."""

from __future__ import annotations

import math

import pytest
import torch

from gonkit.data import InMemoryDataset, evenly_spaced, random_mask
from gonkit.evaluation import partial_observation_curve
from gonkit.losses import MSELoss
from gonkit.nn import GON, DampedStep, Siren
from signals.image import Image


def test_the_curve_over_shares_ends_at_the_whole_signal() -> None:
    torch.manual_seed(0)
    signal = Image(data="digits")
    gon = GON(Siren(2, 1, 8, width=16, layers=2, omega=8.0), MSELoss(), DampedStep(50.0))
    test = signal.dataset("test")
    data = test.batch(evenly_spaced(60, len(test)))
    rows = partial_observation_curve(gon, signal, InMemoryDataset(data), [0.25, 1.0])
    mse = (gon.decode(gon.encode(data), data.coords) - data.values).square().mean()
    assert rows[1] == {"observed": 1.0, "psnr": pytest.approx(-10 * math.log10(mse), abs=1e-4)}
    mask = random_mask(60, 64, 0.25)
    latent = gon.encode(data.with_mask(mask))
    error = (gon.decode(latent, data.coords) - data.values)[~mask].square().mean()
    assert rows[0]["hidden"] == pytest.approx(-10 * math.log10(error), abs=1e-4)
    assert rows[0].keys() == {"observed", "psnr", "hidden", "zeros"}
