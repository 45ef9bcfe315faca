"""The gradient, damped and sparse steps, against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses import L1Loss, Loss, MSELoss, PointwiseLoss
from gonkit.nn import (
    DampedStep,
    GradientStep,
    InnerStep,
    Siren,
    SparseStep,
    infer_latent,
    linearize,
    soft_threshold,
)
from tests.nn.literal import (
    LOSSES,
    B,
    K,
    P,
    literal_field,
    literal_gradient,
    literal_loss,
    make_field,
    make_signals,
)


def dense_step(field: Siren, loss: PointwiseLoss, batch: Batch, latent: Tensor, variance: float) -> Tensor:
    """z − (H + I/η)⁻¹ (∇L + z/η), each signal by itself, H and ∇L by brute force."""
    rows = []
    for b in range(len(batch)):
        one = batch[b : b + 1]

        def values(z: Tensor, one: Batch = one) -> Tensor:
            return literal_field(field, one, z.unsqueeze(0)).flatten()  # (P·C,)

        def cost(flat: Tensor, one: Batch = one) -> Tensor:
            return literal_loss(loss, flat.reshape_as(one.values), one).sum()

        z = latent[b].detach()
        jacobian = torch.autograd.functional.jacobian(values, z)
        curvature = torch.autograd.functional.hessian(cost, values(z).detach())
        slope = jacobian.T @ torch.autograd.functional.jacobian(cost, values(z).detach())
        damped = jacobian.T @ curvature @ jacobian + torch.eye(K, dtype=torch.float64) / variance
        rows.append(z - torch.linalg.solve(damped, slope + z / variance))
    return torch.stack(rows)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize(
    ("masked", "own", "sources"), [(False, False, 0), (True, False, 0), (False, True, 0), (True, True, 2)]
)
@pytest.mark.parametrize("steps", [1, 2])
def test_the_damped_step_is_a_dense_solve(
    loss: PointwiseLoss, masked: bool, own: bool, sources: int, steps: int
) -> None:
    field, batch = make_field(2, sources), make_signals(2, masked=masked, own=own, sources=sources)
    expected = torch.zeros(B, K, dtype=torch.float64)
    for _ in range(steps):
        expected = dense_step(field, loss, batch, expected, 3.0)
    latent = infer_latent(field, loss, batch, DampedStep(3.0), steps=steps)
    torch.testing.assert_close(latent, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("loss", [*LOSSES, L1Loss()], ids=lambda loss: type(loss).__name__)
def test_the_damped_step_tends_to_the_gradient_step(loss: Loss) -> None:
    field, batch = make_field(), make_signals()
    gaps = []
    for size in (1e-2, 1e-4):
        gradient = infer_latent(field, loss, batch, GradientStep(size))
        damped = infer_latent(field, loss, batch, DampedStep(size))
        gaps.append(((damped - gradient).norm() / gradient.norm()).item())
    assert gaps[1] <= 0.011 * gaps[0] + 1e-12  # first order in η; nothing at all where there is no curvature


def test_the_damped_step_is_the_posterior_s_mode_in_a_linear_model() -> None:
    field, batch = make_field(), make_signals()
    about = linearize(field, batch.coords)
    jacobian = about.jacobian[0, :, 0]  # (P, K)
    latent = infer_latent(field, MSELoss(), batch, DampedStep(5.0))
    slope = 2 / P * (about.values[0, :, 0] + latent @ jacobian.T - batch.values[..., 0]) @ jacobian + latent / 5.0
    assert slope.abs().max() < 1e-12


def test_the_damped_step_needs_a_pointwise_loss() -> None:
    class MeanLoss(Loss):
        def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
            return (prediction.values.mean((1, 2)) - batch.values.mean((1, 2))).square()

    field, batch = make_field(), make_signals()
    assert infer_latent(field, MeanLoss(), batch, GradientStep(1.0)).isfinite().all()
    with pytest.raises(ValueError, match="pointwise inner loss, not MeanLoss"):
        infer_latent(field, MeanLoss(), batch, DampedStep(1.0))


@pytest.mark.parametrize("inner_step", [GradientStep(2.0), DampedStep(2.0)], ids=str)
def test_with_the_squared_error_z_is_affine_in_the_data(inner_step: InnerStep) -> None:
    field, batch = make_field(3), make_signals(3)

    def encode(values: Tensor) -> Tensor:
        return infer_latent(field, MSELoss(), Batch(batch.coords, values), inner_step)

    x, y = batch.values[:2], batch.values[2:]
    torch.testing.assert_close(encode(0.3 * x + 0.7 * y), 0.3 * encode(x) + 0.7 * encode(y), atol=1e-12, rtol=0)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_sparse_step_solves_its_proximal_problem(steps: int) -> None:
    field, batch = make_field(), make_signals()
    expected = torch.zeros(B, K, dtype=torch.float64)
    for _ in range(steps):
        before = expected.detach().requires_grad_()
        step = (before - 3.0 * literal_gradient(field, MSELoss(), batch, before)).detach()
        limit = 0.7 * step.square().mean(1, keepdim=True).sqrt()
        expected = step.sign() * (step.abs() - limit).clamp_min(0)
    latent = infer_latent(field, MSELoss(), batch, SparseStep(3.0, threshold=0.7), steps=steps).detach()
    torch.testing.assert_close(latent, expected, atol=1e-12, rtol=0)
    # ½|z − step|² + limit·|z|₁ is least there: no move along any latent makes it smaller
    least = 0.5 * (latent - step).square() + limit * latent.abs()
    for move in (-1e-3, 1e-3):
        moved = 0.5 * (latent + move - step).square() + limit * (latent + move).abs()
        assert (moved >= least - 1e-12).all()


@pytest.mark.parametrize(
    ("inner_step", "affine"), [(GradientStep(4.0), True), (DampedStep(4.0), True), (SparseStep(4.0), False)], ids=str
)
def test_only_the_sparse_step_is_not_affine_in_the_data(inner_step: InnerStep, affine: bool) -> None:
    field, a, b = make_field(), make_signals(), make_signals()
    b = Batch(b.coords, b.values.flip(1) * 3 - 1)
    middle = Batch(a.coords, 0.25 * a.values + 0.75 * b.values)
    z = [infer_latent(field, MSELoss(), x, inner_step).detach() for x in (a, middle, b)]
    gap = (z[1] - (0.25 * z[0] + 0.75 * z[2])).abs().max().item()
    assert (gap < 1e-12) == affine


def test_soft_thresholding_is_the_same_at_every_scale() -> None:
    latent = torch.randn(3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(soft_threshold(1000 * latent, 0.5), 1000 * soft_threshold(latent, 0.5))
    assert torch.equal(soft_threshold(torch.zeros(2, 4), 0.5), torch.zeros(2, 4))
    normal = torch.randn(1, 100_000, generator=torch.Generator().manual_seed(1))
    share = (soft_threshold(normal, 0.5) == 0).float().mean()
    assert share == pytest.approx(math.erf(0.5 / math.sqrt(2)), abs=0.01)
