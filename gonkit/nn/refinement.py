"""Refinement of latents: Levenberg–Marquardt steps per signal, from the latent that the inner steps give.

With the squared error the first inner step is an affine map of the data; the field can do more than it reads out of it.
With the number of observed points P, the residual variance s² and a normal distribution N(μ, Λ⁻¹) of latents, minus the
log of a latent's posterior is, up to a factor and a constant,

    J(z) = L_inner(z) + (s²/P) (z − μ)ᵀ Λ (z − μ)

A step solves, for every signal from its own Jacobian, (H + λ·tr(H)/K·I) δ = ∇J with the Gauss–Newton matrix H of J, and
z ← z − δ is accepted only where J falls: then λ ← λ/5, else λ ← 10 λ. The damping must be relative to H, as an
absolute one makes later steps overshoot. The normal distribution keeps few points from being overfitted; with many it
hardly counts.
Levenberg (1944); Marquardt (1963).
"""

from __future__ import annotations

__all__ = ["LatentDistribution", "refine_latent"]

from typing import NamedTuple

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses import Loss
from gonkit.nn.origin import Linearization, gauss_newton_hessian, linearize, pull_back
from gonkit.nn.siren import Siren

DAMPING, EASED, RAISED = 0.05, 1 / 5, 10.0
MAX_REFINED_POINTS = 1 << 13  # whose Jacobians are held together


class LatentDistribution(NamedTuple):
    """How latents of the training signals are distributed, and what the network does not explain of the values.

    Attributes:
        mean: μ, (K,).
        precision: Λ, (K, K); zero for no knowledge of latents.
        residual_variance: s², scalar, mean squared residual of a value in network units; ½ for losses that are −log p.
    """

    mean: Tensor
    precision: Tensor
    residual_variance: Tensor


@torch.no_grad()
def refine_latent(
    field: Siren, loss: Loss, batch: Batch, latent: Tensor, distribution: LatentDistribution, *, steps: int
) -> Tensor:
    """Latents (B, K) refined by `steps` Levenberg–Marquardt steps; see the module's equation.

    Under autocast the field and its Jacobian are evaluated in reduced precision; the rest is not.

    Args:
        field: F.
        loss: L_inner, pointwise.
        batch: B signals in network units; their masks say which points count.
        latent: (B, K) to start from.
        distribution: of latents.
        steps: at most; a signal whose steps are not accepted keeps its latent.

    Raises:
        ValueError: a loss that is not pointwise.
    """
    chunk = max(1, MAX_REFINED_POINTS // batch.values.shape[1])
    parts = [slice(start, start + chunk) for start in range(0, len(latent), chunk)]
    refined = [_refine(field, loss, batch[part], latent[part], distribution, steps) for part in parts]
    return torch.cat(refined) if refined else latent


def _refine(
    field: Siren, loss: Loss, batch: Batch, latent: Tensor, distribution: LatentDistribution, steps: int
) -> Tensor:
    """The latents of signals that are refined together."""
    device = batch.values.device.type
    reduced = torch.is_autocast_enabled(device)
    weight = (2 * distribution.residual_variance / batch.num_observed).expand(len(latent)).unsqueeze(1)
    penalty = weight.unsqueeze(2) * distribution.precision  # (B, K, K), twice what J has
    damping = latent.new_full((len(latent), 1, 1), DAMPING)

    def objective(latent: Tensor, values: Tensor) -> Tensor:
        offset = (latent - distribution.mean).unsqueeze(1)
        return loss(Prediction(values, latent), batch) + 0.5 * (offset @ penalty @ offset.mT).flatten()

    with torch.autocast(device, enabled=False):
        about = _evaluate(field, batch, latent, reduced)
        best = objective(latent, about.values)
        for left in reversed(range(steps)):
            offset = (latent - distribution.mean).unsqueeze(2)
            slope = pull_back(about, loss, batch, latent) + (penalty @ offset).squeeze(2)
            candidate = latent - _damped_step(gauss_newton_hessian(loss, about, batch) + penalty, slope, damping)
            there = _evaluate(field, batch, candidate, reduced, jacobian=left > 0)  # the next step begins with it
            value = objective(candidate, there.values)
            accepted = value < best  # false for what is not finite
            latent, best = _choose(accepted, candidate, latent), _choose(accepted, value, best)
            damping = damping * torch.where(accepted, EASED, RAISED).view(-1, 1, 1)
            if left:
                about = Linearization(*(_choose(accepted, new, old) for new, old in zip(there, about, strict=True)))
    return latent


def _evaluate(field: Siren, batch: Batch, latent: Tensor, reduced: bool, *, jacobian: bool = True) -> Linearization:
    """The field about latents (B, K); without a Jacobian, one of zeros that takes no memory."""
    with torch.autocast(batch.values.device.type, enabled=reduced):
        if jacobian:
            return linearize(field, batch.coords, latent, batch.source)
        values = field(batch.coords, latent, batch.source).to(latent.dtype)
    return Linearization(values, values.new_zeros(1, 1, 1, 1))


def _damped_step(hessian: Tensor, slope: Tensor, damping: Tensor) -> Tensor:
    """(H + λ·tr(H)/K·I)⁻¹ slope, (B, K), for H (B, K, K) and λ (B, 1, 1)."""
    scale = hessian.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1).clamp_min(1e-12)
    identity = torch.eye(slope.shape[1], dtype=slope.dtype, device=slope.device)
    step: Tensor = torch.linalg.solve_ex(hessian + damping * scale * identity, slope)[0]
    return step


def _choose(accepted: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Rows of `new` where a signal's step is accepted (B,), and else of `old`."""
    return torch.where(accepted.view(-1, *[1] * (new.ndim - 1)), new, old)
