"""Losses that integrate over the points."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from gonkit.batch import Batch, Prediction
from gonkit.losses import BCEWithLogitsLoss, HuberLoss, L1Loss, MSELoss, PointwiseLoss

LOSSES = [MSELoss(), L1Loss(), HuberLoss(0.5), BCEWithLogitsLoss()]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@given(prediction=st.floats(-4, 4, allow_subnormal=False), target=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_derivative_and_curvature_are_those_of_the_integrand(
    loss: PointwiseLoss, prediction: float, target: float
) -> None:
    f = torch.tensor(prediction, dtype=torch.float64).reshape(1, 1, 1).requires_grad_()
    x = torch.tensor(target, dtype=torch.float64).reshape(1, 1, 1)
    if abs(abs(prediction - target) - 0.5) < 1e-6 or abs(prediction - target) < 1e-6:
        return  # the kinks of Huber and L1
    (slope,) = torch.autograd.grad(loss.elementwise(f, x).sum(), f, create_graph=True)
    torch.testing.assert_close(loss.derivative(f, x), slope, atol=1e-10, rtol=0)
    torch.testing.assert_close(PointwiseLoss.derivative(loss, f, x), slope, atol=1e-10, rtol=0)
    second = torch.autograd.grad(slope.sum(), f)[0] if slope.requires_grad else torch.zeros_like(f)
    torch.testing.assert_close(loss.curvature(f, x).detach(), second, atol=1e-10, rtol=0)
    assert loss.elementwise(f, x) >= 0


def test_integrands_against_torch_s_losses() -> None:
    torch.manual_seed(0)
    f, x = torch.randn(3, 5, 2), torch.rand(3, 5, 2)
    for loss, theirs in (
        (MSELoss(), functional.mse_loss),
        (L1Loss(), functional.l1_loss),
        (HuberLoss(), functional.huber_loss),
        (BCEWithLogitsLoss(), functional.binary_cross_entropy_with_logits),
    ):
        torch.testing.assert_close(loss.elementwise(f, x), theirs(f, x, reduction="none"))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_mean_is_over_observed_points_and_the_sum_over_channels(loss: PointwiseLoss) -> None:
    torch.manual_seed(0)
    batch = Batch(torch.rand(6, 2), torch.rand(2, 6, 3))
    prediction = Prediction(torch.randn(2, 6, 3), torch.zeros(2, 1))
    integrand = loss.elementwise(prediction.values, batch.values)
    torch.testing.assert_close(loss(prediction, batch), integrand.sum(2).mean(1))
    mask = torch.tensor([[True, False, True, True, False, False], [True] * 6])
    spoilt = batch.values.where(mask.unsqueeze(-1), torch.nan)
    masked = loss(prediction, Batch(batch.coords, spoilt, mask))
    torch.testing.assert_close(masked[0], integrand[0, mask[0]].sum(1).mean())
    torch.testing.assert_close(masked[1], integrand[1].sum(1).mean())
