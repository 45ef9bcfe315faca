"""Latents by the shared origin and by the general path, against the equation written out."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses import HuberLoss, Loss, MSELoss
from gonkit.nn import DampedStep, GradientStep, InnerStep, Siren, SparseStep, infer_latent, linearize
from tests.nn.literal import (
    LOSSES,
    B,
    D,
    K,
    P,
    literal_field,
    literal_latent,
    literal_loss,
    make_field,
    make_signals,
    weight_gradients,
)


def assert_same_step(field: Siren, loss: Loss, batch: Batch, steps: int = 1) -> None:
    """The same latents, and the same gradients of an outer loss, as the equation's."""
    expected = literal_latent(field, loss, batch, 0.7, steps)
    latent = infer_latent(field, loss, batch, GradientStep(0.7), steps=steps)
    assert (latent - expected).abs().max() < 1e-10
    outer = [
        literal_loss(loss, literal_field(field, batch, expected), batch).mean(),
        loss(Prediction(field(batch.coords, latent, batch.source), latent), batch).mean(),
    ]
    for a, b in zip(*(weight_gradients(value, field) for value in outer), strict=True):
        assert (a - b).norm() <= 1e-8 * a.norm()


@pytest.mark.parametrize("masked", [False, True, "channels"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_shared_path_is_the_literal_equation(loss: Loss, channels: int, masked: bool | str) -> None:
    assert_same_step(make_field(channels), loss, make_signals(channels, masked=masked))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize(
    ("own", "sources", "masked"),
    [(True, 0, False), (True, 0, True), (False, 2, False), (True, 2, True), (True, 0, "channels")],
)
def test_the_general_path_is_the_literal_equation(loss: Loss, own: bool, sources: int, masked: bool | str) -> None:
    assert_same_step(make_field(2, sources), loss, make_signals(2, own=own, sources=sources, masked=masked))


@pytest.mark.parametrize("own", [False, True])
def test_later_steps_are_the_literal_equation(own: bool) -> None:
    assert_same_step(make_field(2), MSELoss(), make_signals(2, own=own), steps=3)


@pytest.mark.parametrize("inner_step", [GradientStep(0.5), DampedStep(0.5), SparseStep(0.5)], ids=str)
@pytest.mark.parametrize("own", [False, True])
def test_latents_have_derivatives_of_any_order(inner_step: InnerStep, own: bool) -> None:
    torch.manual_seed(0)
    field = Siren(1, 1, 2, width=3, layers=2, omega=2.0, omega_hidden=2.0, latent_layers="all").double()
    coords = torch.rand(2, 4, 1, dtype=torch.float64) if own else torch.rand(4, 1, dtype=torch.float64)

    class Outer(torch.nn.Module):
        """The outer loss, summed over signals."""

        def __init__(self) -> None:
            super().__init__()
            self.field = field

        def forward(self, values: Tensor) -> Tensor:
            batch = Batch(coords, values)
            latent = infer_latent(self.field, MSELoss(), batch, inner_step)
            return MSELoss()(Prediction(self.field(coords, latent), latent), batch).sum()

    names, weights = zip(*Outer().named_parameters(), strict=True)

    def outer(values: Tensor, *weights: Tensor) -> Tensor:
        total: Tensor = torch.func.functional_call(Outer(), dict(zip(names, weights, strict=True)), (values,))
        return total

    values = torch.rand(2, 4, 1, dtype=torch.float64, requires_grad=True)
    inputs = (values, *(w.detach().clone().requires_grad_() for w in weights))
    assert torch.autograd.gradcheck(outer, inputs)
    assert torch.autograd.gradgradcheck(outer, inputs)


def test_encoding_a_random_half_of_the_points_moves_z_by_the_sampling_error() -> None:
    torch.manual_seed(0)
    field = Siren(1, 1, K, width=12, layers=2, omega=3.0, omega_hidden=2.0).double()
    points, step_size = 400, 4.0
    coords = ((torch.arange(points, dtype=torch.float64) + 0.5) / points * 2 - 1).unsqueeze(1)
    batch = Batch(coords, torch.stack((torch.sin(3 * coords), torch.exp(-coords.square()))))
    whole = infer_latent(field, MSELoss(), batch, GradientStep(step_size)).detach()
    about = linearize(field, batch.coords)
    share = -step_size * 2 * (about.values - batch.values) * about.jacobian[..., 0, :]  # (B, P, K): its mean is z
    error = share.std(1) / math.sqrt(points)  # of the mean of a half sampled without replacement
    halves = [batch.at_points(torch.randperm(points)[: points // 2]) for _ in range(200)]
    latent = torch.stack([infer_latent(field, MSELoss(), half, GradientStep(step_size)).detach() for half in halves])
    standard = (latent - whole) / error
    assert standard.mean(0).abs().max() < 0.3  # no bias: 4 standard errors of 200 samples
    assert 0.8 < standard.std() < 1.2


@pytest.mark.parametrize("inner_step", [GradientStep(2.0), DampedStep(2.0)], ids=str)
def test_masking_equals_leaving_out_whatever_the_hidden_points_hold(inner_step: InnerStep) -> None:
    field, batch = make_field(), make_signals(masked=True)
    assert batch.mask is not None
    latent = infer_latent(field, HuberLoss(0.3), batch, inner_step)
    for b in range(B):
        observed = batch[b : b + 1].at_points(batch.mask[b].nonzero()[:, 0])
        alone = infer_latent(field, HuberLoss(0.3), Batch(observed.coords, observed.values), inner_step)
        torch.testing.assert_close(latent[b : b + 1], alone, atol=1e-12, rtol=0)
    spoilt = Batch(batch.coords, batch.values.where(batch.mask.unsqueeze(-1), torch.nan), batch.mask)
    again = infer_latent(field, HuberLoss(0.3), spoilt, inner_step)
    assert torch.equal(again, latent)  # the same call, on the same shapes
    assert all(g.isfinite().all() for g in weight_gradients(again.square().sum(), field))


@pytest.mark.parametrize("inner_step", [GradientStep(2.0), DampedStep(2.0)], ids=str)
def test_a_mask_that_is_the_same_for_every_channel_is_one_of_points(inner_step: InnerStep) -> None:
    field, batch = make_field(2), make_signals(2, masked=True)
    assert batch.mask is not None
    per_channel = replace(batch, mask=batch.mask.unsqueeze(-1).expand_as(batch.values))
    both = [infer_latent(field, HuberLoss(0.3), one, inner_step) for one in (batch, per_channel)]
    torch.testing.assert_close(*both, atol=1e-12, rtol=0)


@pytest.mark.parametrize("inner_step", [GradientStep(2.0), DampedStep(2.0)], ids=str)
@pytest.mark.parametrize("steps", [1, 2])
def test_without_gradients_the_same_latents_and_no_graph(inner_step: InnerStep, steps: int) -> None:
    field, batch = make_field(), make_signals()
    expected = infer_latent(field, MSELoss(), batch, inner_step, steps=steps)
    assert expected.requires_grad
    with torch.no_grad():
        about = linearize(field, batch.coords)
        latent = infer_latent(field, MSELoss(), batch, inner_step, steps=steps, origin=about)
    assert not latent.requires_grad
    assert not about.jacobian.requires_grad
    torch.testing.assert_close(latent, expected.detach(), atol=1e-13, rtol=0)


def test_the_latent_of_one_sine_layer_is_its_analytic_gradient() -> None:
    field, batch = Siren(D, 1, K, width=5, layers=1, omega=3.0).double(), make_signals()
    with torch.no_grad():
        phase = 3 * (batch.coords @ field.coordinate.weight.T + field.latent.bias)  # (P, 5), at z = 0
        error = phase.sin() @ field.value.weight.T + field.value.bias - batch.values  # (B, P, 1)
        jacobian = (3 * phase.cos() * field.value.weight) @ field.latent.weight  # (P, K)
        expected = -0.9 * 2 / P * error[..., 0] @ jacobian
    latent = infer_latent(field, MSELoss(), batch, GradientStep(0.9)).detach()
    torch.testing.assert_close(latent, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("latent_layers", ["first", "all"])
def test_the_jacobian_is_that_of_automatic_differentiation(layers: int, channels: int, latent_layers: Any) -> None:
    torch.manual_seed(0)
    field = Siren(2, channels, 4, 2, width=6, layers=layers, omega=3.0, omega_hidden=2.0, latent_layers=latent_layers)
    field.double()
    coords, source = torch.rand(3, 5, 2, dtype=torch.float64), torch.rand(3, 5, 2, dtype=torch.float64)
    latent = torch.rand(3, 4, dtype=torch.float64)
    about = linearize(field, coords, latent, source)
    torch.testing.assert_close(about.values, field(coords, latent, source), atol=1e-12, rtol=0)
    for b in range(3):
        one = slice(b, b + 1)
        decode = partial(field, coords[one], source=source[one])
        expected = torch.autograd.functional.jacobian(decode, latent[one])  # (1, P, C, 1, K)
        torch.testing.assert_close(about.jacobian[one], expected[..., 0, :], atol=1e-12, rtol=0)
