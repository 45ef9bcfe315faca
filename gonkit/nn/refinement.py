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
from gonkit.nn.origin import gauss_newton_hessian, linearize, pull_back
from gonkit.nn.siren import Siren

DAMPING, EASED, RAISED = 0.05, 1 / 5, 10.0


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
    size, dim = latent.shape
    observed = batch.values.shape[1] if batch.mask is None else batch.mask.sum(1, keepdim=True).clamp_min(1)
    weight = (2 * distribution.residual_variance / observed).expand(size, 1)  # of half the penalty
    penalty = weight.unsqueeze(2) * distribution.precision  # (B, K, K)
    identity = torch.eye(dim, dtype=latent.dtype, device=latent.device)
    damping = latent.new_full((size, 1, 1), DAMPING)

    def objective(latent: Tensor) -> Tensor:
        values = field(batch.coords, latent, batch.source).to(latent.dtype)
        offset = (latent - distribution.mean).unsqueeze(1)
        return loss(Prediction(values, latent), batch) + 0.5 * (offset @ penalty @ offset.mT).flatten()

    best = objective(latent)
    for _ in range(steps):
        about = linearize(field, batch.coords, latent, batch.source)
        offset = (latent - distribution.mean).unsqueeze(2)
        slope = pull_back(about, loss, batch, latent, create_graph=False) + (penalty @ offset).squeeze(2)
        hessian = gauss_newton_hessian(loss, about, batch) + penalty
        scale = hessian.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1).clamp_min(1e-12)
        step, _ = torch.linalg.solve_ex(hessian + damping * scale * identity, slope)
        candidate = latent - step
        value = objective(candidate)
        accepted = value < best  # false for what is not finite
        latent = torch.where(accepted.unsqueeze(1), candidate, latent)
        best = torch.where(accepted, value, best)
        damping = damping * torch.where(accepted, EASED, RAISED).view(-1, 1, 1)
    return latent
