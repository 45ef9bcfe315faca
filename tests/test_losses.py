"""Losses and their sum."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from gonkit.losses import BCE, L1, LOSSES, MSE, STFT, Huber, Objective, Pointwise, loss_named
from gonkit.signal import Batch, Prediction, SignalError
from signals.audio import LogMel

POINTWISE = [MSE(), L1(), Huber(0.5), BCE()]
number = st.floats(-4, 4, allow_subnormal=False)


@pytest.mark.parametrize("loss", POINTWISE, ids=lambda loss: type(loss).__name__)
@given(prediction=number, target=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_curvature_is_the_second_derivative(loss: Pointwise, prediction: float, target: float) -> None:
    f = torch.tensor(prediction, dtype=torch.float64).reshape(1, 1, 1).requires_grad_()
    x = torch.tensor(target, dtype=torch.float64).reshape(1, 1, 1)
    if abs(abs(prediction - target) - 0.5) < 1e-6 or abs(prediction - target) < 1e-6:
        return  # the kinks of Huber and L1
    (slope,) = torch.autograd.grad(loss.density(f, x).sum(), f, create_graph=True)
    second = torch.autograd.grad(slope.sum(), f)[0] if slope.requires_grad else torch.zeros_like(f)
    torch.testing.assert_close(loss.curvature(f, x).detach(), second, atol=1e-10, rtol=0)
    assert loss.density(f, x) >= 0


def test_densities_against_torch_s_losses() -> None:
    f, x = torch.randn(3, 5, 2), torch.rand(3, 5, 2)
    for loss, theirs in (
        (MSE(), functional.mse_loss),
        (L1(), functional.l1_loss),
        (Huber(), functional.huber_loss),
        (BCE(), functional.binary_cross_entropy_with_logits),
    ):
        torch.testing.assert_close(loss.density(f, x), theirs(f, x, reduction="none"))


@pytest.mark.parametrize("loss", POINTWISE, ids=lambda loss: type(loss).__name__)
def test_the_mean_is_over_observed_points_and_the_sum_over_channels(loss: Pointwise) -> None:
    batch = Batch(torch.rand(6, 2), torch.rand(2, 6, 3))
    prediction = Prediction(torch.randn(2, 6, 3), torch.zeros(2, 1))
    density = loss.density(prediction.values, batch.values)
    torch.testing.assert_close(loss(prediction, batch), density.sum(2).mean(1))
    mask = torch.tensor([[True, False, True, True, False, False], [True] * 6])
    spoilt = batch.values.where(mask.unsqueeze(-1), torch.nan)
    masked = loss(prediction, Batch(batch.coords, spoilt, mask))
    torch.testing.assert_close(masked[0], density[0, mask[0]].sum(1).mean())
    torch.testing.assert_close(masked[1], density[1].sum(1).mean())


def test_an_objective_is_the_weighted_sum() -> None:
    batch = Batch(torch.rand(6, 2), torch.rand(2, 6, 3))
    prediction = Prediction(torch.randn(2, 6, 3), torch.zeros(2, 1))
    total, terms = Objective.named("huber", {"mse": 2.0, "l1": 0.5})(prediction, batch)
    torch.testing.assert_close(terms["mse"], MSE()(prediction, batch).mean())
    torch.testing.assert_close(total, 2 * terms["mse"] + 0.5 * terms["l1"])


def test_losses_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="read the field alike"):
        Objective.named("bce", {"mse": 1.0})
    with pytest.raises(ValueError, match="no outer loss"):
        Objective.named("mse", {})
    assert Objective.named("bce", {"bce": 1.0}).logits


def test_names() -> None:
    for name, kind in LOSSES.items():
        assert isinstance(loss_named(name), kind)
    assert isinstance(loss_named("gonkit.losses:Huber"), Huber)
    with pytest.raises(SignalError, match="did you mean 'huber'"):
        loss_named("hubert")
    with pytest.raises(SignalError, match="must be a subclass of gonkit's Loss"):
        loss_named("gonkit.losses:Objective")


SPECTRAL = [STFT(sizes=(16, 64)), LogMel(rate=8000, bands=10, size=64)]


@pytest.mark.parametrize("loss", SPECTRAL, ids=lambda loss: type(loss).__name__)
def test_spectral_losses_hear_what_differs_and_nothing_else(loss: STFT | LogMel) -> None:
    time = torch.arange(200) / 8000
    low, high = (torch.sin(6.283185 * hertz * time).view(1, 200, 1) for hertz in (440.0, 880.0))
    batch = Batch(torch.linspace(-1, 1, 200).unsqueeze(1), torch.cat([low, low]))

    def cost(values: torch.Tensor) -> torch.Tensor:
        return loss(Prediction(values, torch.zeros(2, 1)), batch)

    assert cost(torch.cat([low, low])).max() < 1e-5
    assert cost(torch.cat([-low, -low])).max() < 1e-4  # the phase is not heard
    quieter, other = cost(torch.cat([low / 2, high]))
    assert 0 < quieter < other
    masked = Batch(batch.coords, batch.values, torch.zeros(2, 200, dtype=torch.bool))
    assert loss(Prediction(torch.cat([low, high]), torch.zeros(2, 1)), masked).max() < 1e-5


@pytest.mark.parametrize("loss", SPECTRAL, ids=lambda loss: type(loss).__name__)
def test_spectral_losses_can_be_differentiated_twice(loss: STFT | LogMel) -> None:
    torch.manual_seed(0)
    batch = Batch(torch.linspace(-1, 1, 40, dtype=torch.float64).unsqueeze(1), torch.randn(2, 40, 1).double())

    def cost(values: torch.Tensor) -> torch.Tensor:
        return loss(Prediction(values, torch.zeros(2, 1)), batch)

    values = torch.randn(2, 40, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cost, values)
    assert torch.autograd.gradgradcheck(cost, values)


def test_a_signal_type_s_own_losses_are_found_by_name() -> None:
    objective = Objective.named("mse", {"mse": 1.0, "log_mel": 0.5}, {"log_mel": LogMel(8000)})
    assert objective.consecutive
    assert not Objective.named("mse", {"mse": 1.0}).consecutive
    with pytest.raises(SignalError, match="did you mean 'log_mel'"):
        loss_named("logmel", {"log_mel": LogMel(8000)})
