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

__all__ = [
    "DampedStep",
    "GradientStep",
    "InnerStep",
    "Linearization",
    "SparseStep",
    "infer_latent",
    "linearize",
    "soft_threshold",
]

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple, cast, final

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses import Loss, PointwiseLoss
from gonkit.nn.siren import Siren


class Linearization(NamedTuple):
    """The field and its Jacobian about a latent. On shared coordinates at z₀ = 0 one serves all signals: b = 1.

    Attributes:
        values: (b, P, C) F(c, z), in network units.
        jacobian: (b, P, C, K) ∂F(c, z)/∂z.
    """

    values: Tensor
    jacobian: Tensor


class InnerStep(ABC):
    """How a latent moves, given the gradient of the inner loss.

    Class attributes:
        uses_curvature: whether it needs the Gauss–Newton matrix, and with it the Jacobian at every latent.
    """

    uses_curvature: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, latent: Tensor, gradient: Tensor, hessian: Callable[[], Tensor]) -> Tensor:
        """The next latent (B, K).

        Args:
            latent: (B, K).
            gradient: (B, K) ∇L at the latent.
            hessian: computes H = Σ_pc w_p J (∂²L/∂F²) Jᵀ, (b, K, K), with b = 1 where all signals share it.
        """


@final
@dataclass(frozen=True)
class GradientStep(InnerStep):
    """z ← z − η∇L, the paper's step.

    Attributes:
        step_size: η, relative to the mean over points of the sum over channels; P/(B·C) is the step that the paper's
            reference code takes.
    """

    step_size: float

    def __call__(self, latent: Tensor, gradient: Tensor, hessian: Callable[[], Tensor]) -> Tensor:
        return latent - self.step_size * gradient


@final
@dataclass(frozen=True)
class DampedStep(InnerStep):
    """z ← z − (H + I/η)⁻¹ (∇L + z/η): a Gauss–Newton step to the mode of exp(−L − |z|²/2η).

    From z = 0 it tends to the gradient step as η → 0. It needs a pointwise inner loss.

    Attributes:
        variance: η, of a normal prior on latents in the linearized model.
    """

    variance: float
    uses_curvature: ClassVar[bool] = True

    def __call__(self, latent: Tensor, gradient: Tensor, hessian: Callable[[], Tensor]) -> Tensor:
        return latent - _solve_damped(hessian(), gradient + latent / self.variance, 1 / self.variance)


@final
@dataclass(frozen=True)
class SparseStep(InnerStep):
    """z ← S_τ(z − η∇L) with soft thresholding S: a proximal step for the loss plus a multiple of |z|₁.

    It costs what the gradient step costs; unlike the others, its latents are not affine in the data even for the
    squared error.

    Attributes:
        step_size: η.
        threshold: τ of `soft_threshold`.
    """

    step_size: float
    threshold: float = 0.5

    def __call__(self, latent: Tensor, gradient: Tensor, hessian: Callable[[], Tensor]) -> Tensor:
        return soft_threshold(latent - self.step_size * gradient, self.threshold)


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


def soft_threshold(latent: Tensor, threshold: float) -> Tensor:
    """Soft thresholding, sign(z) · max(|z| − τ·rms(z), 0), with the root mean square over each signal's own latents.

    The proximal step of iterative shrinkage (Daubechies, Defrise & De Mol, arXiv math/0307152). The threshold is
    relative to the coefficients themselves, as in wavelet shrinkage (Donoho & Johnstone, Ideal Spatial Adaptation,
    1994), so that it does not depend on the network's gain and need not be tuned to it.

    Args:
        latent: (B, K).
        threshold: τ; ½ sets about two fifths of normally distributed latents to zero, 1 sets two thirds.

    Example:
        >>> soft_threshold(torch.tensor([[3.0, -1.0, 0.5, 0.0]]), threshold=0.5)
        tensor([[ 2.1996, -0.1996,  0.0000,  0.0000]])
    """
    limit = threshold * (latent.square().mean(1, keepdim=True) + 1e-24).sqrt()  # its slope at zero stays finite
    return latent - latent.maximum(-limit).minimum(limit)


def linearize(
    field: Siren, coords: Tensor, latent: Tensor | None = None, source: Tensor | None = None
) -> Linearization:
    """The field and its Jacobian in the latent, about `latent` (b, K), or about the shared z₀ = 0.

    Every point becomes a signal of its own, so that one backward pass per channel gives all rows of J. Keeps the graph
    while gradients are enabled.
    """
    differentiable = torch.is_grad_enabled()
    if latent is None:
        latent = coords.new_zeros(1, field.latent_dim)
    count, points = len(latent), coords.shape[-2]
    flat_coords = coords.expand(count, -1, -1).flatten(0, 1).unsqueeze(1)  # (b·P, 1, D)
    flat_source = None if source is None else source.flatten(0, 1).unsqueeze(1)  # (b·P, 1, S)
    repeated = latent.unsqueeze(1).expand(-1, points, -1).flatten(0, 1)  # (b·P, K)

    def values_at(latent: Tensor) -> Tensor:
        values: Tensor = field(flat_coords, latent, flat_source)
        return values.squeeze(1).to(latent.dtype)  # (b·P, C)

    values, vjp = value_and_vjp(values_at, repeated, differentiable)
    rows = [vjp(channel) for channel in torch.eye(field.channels, device=values.device).to(values)]
    about = Linearization(*(t.unflatten(0, (count, points)) for t in (values, torch.stack(rows, 1))))
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


def _solve_damped(hessian: Tensor, gradient: Tensor, damping: float) -> Tensor:
    """(H + damping·I)⁻¹ gradient, for H (b, K, K) and gradient (B, K); one factorization where b = 1."""
    damped = hessian + damping * torch.eye(gradient.shape[-1], dtype=gradient.dtype, device=gradient.device)
    solved: Tensor = (
        torch.linalg.solve(damped[0], gradient, left=False)  # H is symmetric
        if len(damped) == 1
        else torch.linalg.solve(damped, gradient)
    )
    return solved
