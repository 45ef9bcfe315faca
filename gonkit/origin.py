"""The gradient origin: a signal's latent is a step down its data-fitting loss from zero.

Bond-Taylor & Willcocks, Gradient Origin Networks, arXiv 2007.02798.
"""

from __future__ import annotations

__all__ = [
    "Linearization",
    "Origin",
    "cost_of",
    "gradient_of",
    "infer_latent",
    "linearize",
    "pulled",
    "shrink",
]

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor

from gonkit.losses import Loss, Pointwise
from gonkit.signal import Batch, Prediction
from gonkit.siren import Siren

Origin = Literal["gradient", "damped", "sparse"]


class Linearization(NamedTuple):
    """The field and its slope about a latent. On shared coordinates at z₀ = 0 one stands for all: b = 1.

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
    *,
    step: float,
    steps: int = 1,
    origin: Origin = "gradient",
    threshold: float = 0.5,
    about_zero: Linearization | None = None,
    slope_at: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The inner step of Eq. 1: z = −η ∇_{z₀} ∫ L_inner(Φx(c), F(c ⊕ z₀)) dc at z₀ = 0.

    **Shared origin.** Where all signals lie on the same coordinates, F(c, 0) and its Jacobian J(c) are
    the same for all of them, so that by the chain rule, exactly,

        r = ∂L_inner/∂F at F(c, 0)           (B, P, C)
        z = −η Σ_pc r_bpc J_pck              (B, K)

    for one forward and C backward passes over P points instead of B·P. Otherwise (own coordinates, a
    source, a later step) the gradient is taken per signal.

    **Damped origin.** z ← z − (H + I/η)⁻¹ (∇L + z/η), with H = Σ_p w_p Jᵀ(∂²L/∂F²)J: a Gauss–Newton
    step to the mode of exp(−L − |z|²/2η). From z = 0 it tends to the gradient step as η → 0.

    **Sparse origin.** z ← shrink(z − η∇L): a proximal step for the loss plus a multiple of |z|₁. It costs what the
    gradient step costs, and is the one whose latents are not affine in the data even for the squared error.

    Differentiable to any order while gradients are enabled; works under `torch.no_grad()` too. The loss
    is summed over signals, never averaged: a latent does not depend on its batch-mates.

    Args:
        field: F.
        loss: L_inner, any differentiable one; pointwise for the damped origin.
        batch: B signals in network units.
        step: η, relative to the mean over points of the sum over channels. P/(B·C) is the step that the
            paper's reference code takes.
        steps: how many times to step.
        origin: which step.
        threshold: τ of `shrink`, for the sparse origin.
        about_zero: `linearize(field, coords)` of earlier, where the field has not changed since.
        slope_at: how ∇L (B, K) at a latent (B, K) is found where nothing is shared; None for by one backward pass
            through all points. Not for the damped origin.

    Returns:
        (B, K).

    Raises:
        ValueError: a damped origin with a loss that is not pointwise.
    """
    differentiable, kind = torch.is_grad_enabled(), batch.values.device.type
    damped, reduced = origin == "damped", torch.is_autocast_enabled(kind)
    latent = batch.values.new_zeros(len(batch), field.latent_dim)
    with torch.enable_grad(), torch.autocast(kind, enabled=False):
        for index in range(steps):
            latent = latent if differentiable and index else latent.detach()
            shared = index == 0 and batch.shared and batch.source is None
            if shared or damped:
                with torch.set_grad_enabled(differentiable), torch.autocast(kind, enabled=reduced and not shared):
                    if shared:
                        about = about_zero or linearize(field, batch.coords)
                    else:
                        about = linearize(field, batch.coords, latent, batch.source)
                values = about.values.expand(len(batch), -1, -1)
                cost = partial(cost_of, loss, batch, latent)
                residual = gradient_of(cost, values, differentiable)  # (B, P, C)
                slope = torch.einsum("bpc,bpck->bk", residual, about.jacobian)
            elif slope_at is not None:
                with torch.autocast(kind, enabled=reduced):
                    slope = slope_at(latent)
            else:

                def cost_at(latent: Tensor) -> Tensor:
                    with torch.autocast(kind, enabled=reduced):
                        values = field(batch.coords, latent, batch.source)
                    return cost_of(loss, batch, latent, values.to(latent.dtype))

                slope = gradient_of(cost_at, latent, differentiable)
            if damped:
                latent = latent - _solve(_hessian(loss, about, batch), slope + latent / step, 1 / step)
            else:
                latent = latent - step * slope
            if origin == "sparse":
                latent = shrink(latent, threshold)
    return latent if differentiable else latent.detach()


def shrink(latent: Tensor, threshold: float) -> Tensor:
    """Soft thresholding, sign(z) · max(|z| − τ·rms(z), 0), with the root mean square over each signal's own latents.

    The proximal step of iterative shrinkage (Daubechies, Defrise & De Mol, arXiv math/0307152), its threshold taken
    from the coefficients themselves as in wavelet shrinkage (Donoho & Johnstone, Ideal Spatial Adaptation, 1994), so
    that it neither depends on the network's gain nor has to be tuned to it.

    Args:
        latent: (B, K).
        threshold: τ; at ½ about two fifths of normally distributed latents become zero, at 1 two thirds.

    Example:
        >>> shrink(torch.tensor([[3.0, -1.0, 0.5, 0.0]]), threshold=0.5)
        tensor([[ 2.1996, -0.1996,  0.0000,  0.0000]])
    """
    limit = threshold * (latent.square().mean(1, keepdim=True) + 1e-24).sqrt()  # its slope at zero stays finite
    return latent - latent.maximum(-limit).minimum(limit)


def linearize(
    field: Siren, coords: Tensor, latent: Tensor | None = None, source: Tensor | None = None
) -> Linearization:
    """The field and its Jacobian in the latent, about `latent` (b, K), or about the one shared z₀ = 0.

    Every point becomes a signal of its own, so that one backward pass per channel gives all rows of J.
    Keeps the graph while gradients are enabled.
    """
    differentiable = torch.is_grad_enabled()
    if latent is None:
        latent = coords.new_zeros(1, field.latent_dim)
    count, points = len(latent), coords.shape[-2]
    where = coords.expand(count, -1, -1).flatten(0, 1).unsqueeze(1)  # (b·P, 1, D)
    known = None if source is None else source.flatten(0, 1).unsqueeze(1)  # (b·P, 1, S)
    each = latent.unsqueeze(1).expand(-1, points, -1).flatten(0, 1)  # (b·P, K)

    def values_at(each: Tensor) -> Tensor:
        values: Tensor = field(where, each, known)
        return values.squeeze(1).to(each.dtype)  # (b·P, C)

    values, slope_of = pulled(values_at, each, differentiable)
    rows = [slope_of(channel) for channel in torch.eye(field.channels, device=values.device).to(values)]
    about = Linearization(*(t.unflatten(0, (count, points)) for t in (values, torch.stack(rows, 1))))
    return about if differentiable else Linearization(*(t.detach() for t in about))


def cost_of(loss: Loss, batch: Batch, latent: Tensor, values: Tensor) -> Tensor:
    """The inner loss, summed over signals."""
    return loss(Prediction(values, latent), batch).sum()


def gradient_of(function: Callable[[Tensor], Tensor], at: Tensor, create_graph: bool) -> Tensor:
    """Of a function with one number, at a place."""
    value, slope_of = pulled(function, at, create_graph)
    return slope_of(torch.ones_like(value))


def pulled(
    function: Callable[[Tensor], Tensor], at: Tensor, create_graph: bool
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A function's value at a place, and what takes a direction v of values, of all rows alike, to vᵀ∂value/∂place."""
    if torch.compiler.is_compiling():  # the compiler traces torch.func, and not torch.autograd.grad
        traced = cast(tuple[Tensor, Callable[[Tensor], tuple[Tensor]]], torch.func.vjp(function, at))
        return traced[0], lambda direction: traced[1](direction.expand_as(traced[0]))[0]
    with torch.enable_grad():
        at = at if at.requires_grad else at.detach().requires_grad_()
        value = function(at)

    def slope_of(direction: Tensor) -> Tensor:
        along = direction.expand_as(value)
        (slope,) = torch.autograd.grad(value, at, along, create_graph=create_graph, retain_graph=True)
        return slope

    return value, slope_of


def _hessian(loss: Loss, about: Linearization, batch: Batch) -> Tensor:
    """H = Σ_pc w_p J (∂²L/∂F²) Jᵀ, (b, K, K); b = 1 where all signals share it."""
    if not isinstance(loss, Pointwise):
        raise ValueError(f"the damped origin needs a pointwise inner loss, not {type(loss).__name__}")
    weight = loss.curvature(about.values, batch.values) * batch.weights  # broadcastable to (B, P, C)
    weighted = (about.jacobian * weight.unsqueeze(-1)).flatten(1, 2)
    return weighted.mT @ about.jacobian.flatten(1, 2)


def _solve(hessian: Tensor, slope: Tensor, damping: float) -> Tensor:
    """(H + damping·I)⁻¹ slope, for H (b, K, K) and slope (B, K); one factorization where b = 1."""
    damped = hessian + damping * torch.eye(slope.shape[-1], dtype=slope.dtype, device=slope.device)
    solved: Tensor = (
        torch.linalg.solve(damped[0], slope, left=False)  # H is symmetric
        if len(damped) == 1
        else torch.linalg.solve(damped, slope)
    )
    return solved
