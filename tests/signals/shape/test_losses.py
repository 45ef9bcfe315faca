"""Losses on truncated signed distances."""

from __future__ import annotations

import pytest
import torch

from gonkit.batch import Batch, Prediction
from gonkit.losses import Objective
from signals.shape import Distance, EikonalLoss, TruncatedL1Loss
from signals.shape.losses import TRUNCATION


def test_truncated_distances_cost_nothing_beyond_the_truncation() -> None:
    prediction = torch.tensor([3.0, -2.0, 0.5, -0.5, 1.5]).view(1, 5, 1)
    target = torch.tensor([1.0, -1.0, 0.2, 1.0, 0.5]).view(1, 5, 1)
    cost = TruncatedL1Loss().elementwise(prediction, target)
    assert cost.flatten().tolist() == pytest.approx([0, 0, 0.3, 1.5, 0.5])


def test_eikonal_is_zero_for_a_distance_and_not_for_another_field() -> None:
    coords = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    batch = Batch(coords, torch.zeros(2, 50, 1)).with_coord_grad()
    distance = batch.coords.norm(dim=-1, keepdim=True) / TRUNCATION
    cost = EikonalLoss()(Prediction(distance, torch.zeros(2, 1)), batch)
    assert cost.tolist() == pytest.approx([0, 0], abs=1e-9)
    assert EikonalLoss()(Prediction(2 * distance, torch.zeros(2, 1)), batch).tolist() == pytest.approx([1, 1], abs=1e-4)


def test_distances_come_with_their_own_losses() -> None:
    own = Distance().default_losses.own
    assert Objective.from_names("mse", {"truncated": 1.0, "eikonal": 0.1}, own).differentiates == {"coords"}
