"""The gradient origin: a signal's latent is a step down its data-fitting loss, from zero.

Bond-Taylor & Willcocks, Gradient Origin Networks, arXiv 2007.02798, equation 1:

    z = −η ∇_{z₀} ∫ L_inner(Φx(c), F(c ⊕ z₀)) dc   at z₀ = 0

**The shared origin.** Where all signals lie on the same coordinates, F(c, 0) and its Jacobian J(c) = ∂F(c, z)/∂z at 0
are the same for all of them. By the chain rule, exactly,

    r = ∂L_inner/∂F at F(c, 0)           (B, P, C)
    z = −η Σ_pc r_bpc J_pck              (B, K)

for one forward and C backward passes over P points instead of B·P. Otherwise (own coordinates, a source, a later step)
the gradient is taken per signal.
"""

from __future__ import annotations

__all__ = ["Linearization", "infer_latent", "linearize"]

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.differentiation import gradient
from gonkit.losses import Loss, PointwiseLoss
from gonkit.nn.inner_steps import InnerStep
from gonkit.nn.siren import Siren


class Linearization(NamedTuple):
    """The field and its Jacobian about a latent. On shared coordinates at z₀ = 0 one serves all signals: b = 1.

    Attributes:
        values: (b, P, C) F(c, z), in network units.
        jacobian: (b, P, C, K) ∂F(c, z)/∂z.
    """

    values: Tensor
    jacobian: Tensor


def infer_latent(
    field: Siren,
    loss: Loss,
    batch: Batch,
    inner_step: InnerStep,
    *,
    steps: int = 1,
    origin: Linearization | None = None,
    gradient_at: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Latents (B, K) of signals, by `steps` inner steps from zero; see the module's equation.

    Differentiable to any order while gradients are enabled; works under `torch.no_grad()` too. The loss is summed over
    signals, never averaged: a latent does not depend on the other signals of its batch.

    Args:
        field: F.
        loss: L_inner, any differentiable one; pointwise where the step uses curvature.
        batch: B signals in network units.
        inner_step: how a latent moves.
        steps: how often.
        origin: an earlier `linearize(field, coords)`, if the field has not changed since.
        gradient_at: computes ∇L (B, K) at a latent (B, K) where nothing is shared; None for one backward pass through
            all points. Not for steps that use curvature.

    Raises:
        ValueError: a step that uses curvature with a loss that is not pointwise.
    """
    differentiable, device = torch.is_grad_enabled(), batch.values.device.type
    reduced = torch.is_autocast_enabled(device)
    latent = batch.values.new_zeros(len(batch), field.latent_dim)
    with torch.autocast(device, enabled=False):
        for index in range(steps):
            latent = latent if differentiable and index else latent.detach()
            shared = index == 0 and batch.shares_coords and batch.source is None
            about: Linearization | None = None
            if shared or inner_step.uses_curvature:
                with torch.autocast(device, enabled=reduced and not shared):
                    if shared:
                        about = origin or linearize(field, batch.coords)
                    else:
                        about = linearize(field, batch.coords, latent, batch.source)
                slope = pull_back(about, loss, batch, latent)
            else:
                with torch.autocast(device, enabled=reduced):
                    slope = (gradient_at or partial(_gradient_at, field, loss, batch, differentiable))(latent)
            latent = inner_step(latent, slope, partial(gauss_newton_hessian, loss, about, batch))
    return latent if differentiable else latent.detach()


def linearize(
    field: Siren, coords: Tensor, latent: Tensor | None = None, source: Tensor | None = None
) -> Linearization:
    """The field and its Jacobian about latents (b, K), or about the shared z₀ = 0."""
    if latent is None:
        latent = coords.new_zeros(1, field.latent_dim)
    return Linearization(*field.value_and_jacobian(coords, latent, source))


def _gradient_at(field: Siren, loss: Loss, batch: Batch, create_graph: bool, latent: Tensor) -> Tensor:
    """∇L (B, K) at a latent, through all points; the loss itself in full precision."""
    device = batch.values.device.type
    reduced = torch.is_autocast_enabled(device)

    def loss_at(latent: Tensor) -> Tensor:
        with torch.autocast(device, enabled=reduced):
            values = field(batch.coords, latent, batch.source)
        return loss(Prediction(values.to(latent.dtype), latent), batch).sum()

    with torch.autocast(device, enabled=False):
        return gradient(loss_at, latent, create_graph)


def pull_back(about: Linearization, loss: Loss, batch: Batch, latent: Tensor) -> Tensor:
    """∇L (B, K) = Σ_pc r_bpc J_pck, from the residual r = ∂L/∂F of every signal."""
    values = about.values.expand(len(batch), -1, -1)
    residual = loss.residual(Prediction(values, latent), batch).flatten(1)  # (B, P·C)
    rows = about.jacobian.flatten(1, 2)  # (b, P·C, K)
    return residual @ rows[0] if len(rows) == 1 else (residual.unsqueeze(1) @ rows).squeeze(1)


def gauss_newton_hessian(loss: Loss, about: Linearization | None, batch: Batch) -> Tensor:
    """H = Σ_pc w_p J (∂²L/∂F²) Jᵀ, (b, K, K); b = 1 where all signals share it."""
    if not isinstance(loss, PointwiseLoss):
        raise ValueError(f"the damped step needs a pointwise inner loss, not {type(loss).__name__}")
    assert about is not None  # steps that use curvature are always given the Jacobian
    weight = loss.curvature(about.values, batch.values) * batch.point_weights  # broadcastable to (B, P, C)
    rows = about.jacobian.flatten(1, 2)  # (b, P·C, K)
    weighted = (about.jacobian * weight.unsqueeze(-1)).flatten(1, 2)
    return weighted.mT @ rows
