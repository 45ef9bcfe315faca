"""Principal component analysis as a baseline, of signals with and without values missing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import InMemoryDataset
from gonkit.evaluation import pca_baseline
from tests.data.fields import Field

SHAPE, CHANNELS, RANK = [5, 7], 2, 3
FIELD = Field(shape=SHAPE, channel_count=CHANNELS)


def low_rank(count: int, seed: int) -> Tensor:
    """(count, 35, 2) signals of three dimensions about a mean, and a little noise."""
    axes = torch.randn(RANK + 1, 35, CHANNELS, generator=torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(seed)
    weights = torch.cat((torch.ones(count, 1), torch.randn(count, RANK, generator=generator)), 1)
    noise = 0.01 * torch.randn(count, 35, CHANNELS, generator=generator)
    return torch.einsum("nk,kpc->npc", weights, axes) + noise


def baseline(train: Tensor, test: Tensor, train_mask: Tensor | None = None, test_mask: Tensor | None = None) -> float:
    sets = ((train, train_mask), (test, test_mask))
    coords = FIELD.grid().coords
    data = [InMemoryDataset(Batch(coords, x if m is None else x.where(m, torch.nan), m)) for x, m in sets]
    return pca_baseline(FIELD, data[0], data[1], RANK)["pca_mse"]


def test_missing_values_are_filled_in_by_the_components_of_the_others() -> None:
    train, test = low_rank(80, 1), low_rank(20, 2)
    masks = [torch.rand(x.shape, generator=torch.Generator().manual_seed(3)) < 0.7 for x in (train, test)]
    assert baseline(train, test) < 2e-4
    assert baseline(train, test, masks[0], masks[1]) < 2e-4  # the signals have a variance of 3


def test_what_is_missing_from_every_signal_is_left_out() -> None:
    train, test = low_rank(80, 1), low_rank(20, 2)
    mask = torch.rand(35, CHANNELS, generator=torch.Generator().manual_seed(4)) < 0.6
    masked = baseline(train, test, mask.expand_as(train), mask.expand_as(test))
    alone = [x.where(mask, 0.0) for x in (train, test)]  # constants add no component
    assert masked == pytest.approx(baseline(*alone) / mask.float().mean().item(), rel=0.1)


def test_signals_of_which_nothing_was_observed_do_not_count() -> None:
    train, test = low_rank(80, 1), low_rank(20, 2)
    mask = torch.ones_like(test, dtype=torch.bool)
    mask[5:] = False
    assert baseline(train, test, None, mask) == pytest.approx(baseline(train, test[:5]), rel=0.05)
