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
from typing import NamedTuple, cast

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
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
    with torch.enable_grad(), torch.autocast(device, enabled=False):
        for index in range(steps):
            latent = latent if differentiable and index else latent.detach()
            shared = index == 0 and batch.shares_coords and batch.source is None
            about: Linearization | None = None
            if shared or inner_step.uses_curvature:
                with torch.set_grad_enabled(differentiable), torch.autocast(device, enabled=reduced and not shared):
                    if shared:
                        about = origin or linearize(field, batch.coords)
                    else:
                        about = linearize(field, batch.coords, latent, batch.source)
                gradient = pull_back(about, loss, batch, latent, create_graph=differentiable)
            else:
                with torch.autocast(device, enabled=reduced):
                    gradient = (gradient_at or partial(_gradient_at, field, loss, batch, differentiable))(latent)
            latent = inner_step(latent, gradient, partial(gauss_newton_hessian, loss, about, batch))
    return latent if differentiable else latent.detach()


def linearize(
    field: Siren, coords: Tensor, latent: Tensor | None = None, source: Tensor | None = None
) -> Linearization:
    """The field and its Jacobian in the latent, about `latent` (b, K), or about the shared z₀ = 0.

    Every point becomes a signal of its own for the sine layers, so that one backward pass per channel gives all rows of
    J. Keeps the graph while gradients are enabled.
    """
    differentiable = torch.is_grad_enabled()
    if latent is None:
        latent = coords.new_zeros(1, field.latent_dim)
    count, points = len(latent), coords.shape[-2]
    flat_coords = coords.expand(count, -1, -1).flatten(0, 1).unsqueeze(1)  # (b·P, 1, D)
    flat_source = None if source is None else source.flatten(0, 1).unsqueeze(1)  # (b·P, 1, S)
    repeated = latent.unsqueeze(1).expand(-1, points, -1).flatten(0, 1)  # (b·P, K)

    def values_at(latent: Tensor) -> Tensor:
        return field.sine_layers(flat_coords, latent, flat_source).squeeze(1).to(latent.dtype)  # (b·P, C)

    values, vjp = value_and_vjp(values_at, repeated, differentiable)
    rows = [vjp(channel) for channel in torch.eye(field.channels, device=values.device).to(values)]
    about = Linearization(*(t.unflatten(0, (count, points)) for t in (values, torch.stack(rows, 1))))
    if field.series is not None:
        series = field.series(coords, latent), field.series.jacobian(coords, latent)
        about = Linearization(*(own + part.to(own.dtype) for own, part in zip(about, series, strict=True)))
    return about if differentiable else Linearization(*(t.detach() for t in about))


def summed_loss(loss: Loss, batch: Batch, latent: Tensor, values: Tensor) -> Tensor:
    """The inner loss, summed over signals, of values (B, P, C) in network units."""
    return loss(Prediction(values, latent), batch).sum()


def gradient(function: Callable[[Tensor], Tensor], at: Tensor, create_graph: bool) -> Tensor:
    """Gradient of a scalar function."""
    value, vjp = value_and_vjp(function, at, create_graph)
    return vjp(torch.ones_like(value))


def value_and_vjp(
    function: Callable[[Tensor], Tensor], at: Tensor, create_graph: bool
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A function's value and its vector–Jacobian product v ↦ vᵀ∂f/∂x, with v broadcast over rows."""
    if torch.compiler.is_compiling():  # the compiler traces torch.func, and not torch.autograd.grad
        traced = cast(tuple[Tensor, Callable[[Tensor], tuple[Tensor]]], torch.func.vjp(function, at))
        return traced[0], lambda direction: traced[1](direction.expand_as(traced[0]))[0]
    with torch.enable_grad():
        at = at if at.requires_grad else at.detach().requires_grad_()
        value = function(at)

    def vjp(direction: Tensor) -> Tensor:
        (product,) = torch.autograd.grad(
            value, at, direction.expand_as(value), create_graph=create_graph, retain_graph=True
        )
        return product

    return value, vjp


def _gradient_at(field: Siren, loss: Loss, batch: Batch, create_graph: bool, latent: Tensor) -> Tensor:
    """∇L (B, K) at a latent, through all points; the loss itself in full precision."""
    device = batch.values.device.type
    reduced = torch.is_autocast_enabled(device)

    def loss_at(latent: Tensor) -> Tensor:
        with torch.autocast(device, enabled=reduced):
            values = field(batch.coords, latent, batch.source)
        return summed_loss(loss, batch, latent, values.to(latent.dtype))

    with torch.autocast(device, enabled=False):
        return gradient(loss_at, latent, create_graph)


def pull_back(about: Linearization, loss: Loss, batch: Batch, latent: Tensor, *, create_graph: bool) -> Tensor:
    """∇L (B, K) = Σ_pc r_bpc J_pck, from the residual r = ∂L/∂F of every signal."""
    values = about.values.expand(len(batch), -1, -1)
    residual = gradient(partial(summed_loss, loss, batch, latent), values, create_graph)  # (B, P, C)
    return torch.einsum("bpc,bpck->bk", residual, about.jacobian)


def gauss_newton_hessian(loss: Loss, about: Linearization | None, batch: Batch) -> Tensor:
    """H = Σ_pc w_p J (∂²L/∂F²) Jᵀ, (b, K, K); b = 1 where all signals share it."""
    if not isinstance(loss, PointwiseLoss):
        raise ValueError(f"the damped step needs a pointwise inner loss, not {type(loss).__name__}")
    assert about is not None  # steps that use curvature are always given the Jacobian
    weight = loss.curvature(about.values, batch.values) * batch.point_weights  # broadcastable to (B, P, C)
    weighted = (about.jacobian * weight.unsqueeze(-1)).flatten(1, 2)
    return weighted.mT @ about.jacobian.flatten(1, 2)
