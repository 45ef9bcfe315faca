"""Inner steps: how a latent moves, given the gradient of the inner loss."""

from __future__ import annotations

__all__ = ["DampedStep", "GradientStep", "InnerStep", "SparseStep", "soft_threshold"]

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor


class InnerStep(ABC):
    """How a latent moves, given the gradient of the inner loss.

    Class attributes:
        uses_curvature: whether it needs the Gauss–Newton matrix, and with it the Jacobian at every latent.
    """

    uses_curvature: ClassVar[bool] = False

    @property
    @abstractmethod
    def best_curvature(self) -> float:
        """H, for every latent, at which one step from zero reads out a field that is linear in the latent."""

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

    @property
    def best_curvature(self) -> float:
        return 1 / self.step_size

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

    @property
    def best_curvature(self) -> float:
        return max(0.1, 10 / self.variance)  # latents near 1, of which damping takes a share 1/(1 + Hη)

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

    @property
    def best_curvature(self) -> float:
        return 1 / self.step_size

    def __call__(self, latent: Tensor, gradient: Tensor, hessian: Callable[[], Tensor]) -> Tensor:
        return soft_threshold(latent - self.step_size * gradient, self.threshold)


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


def _solve_damped(hessian: Tensor, gradient: Tensor, damping: float) -> Tensor:
    """(H + damping·I)⁻¹ gradient, for H (b, K, K) and gradient (B, K)."""
    damped = hessian + damping * torch.eye(gradient.shape[-1], dtype=gradient.dtype, device=gradient.device)
    if len(damped) == 1:  # shared: one inverse, and one product for all signals; H is symmetric
        shared: Tensor = gradient @ torch.linalg.inv_ex(damped[0])[0]
        return shared
    solved: Tensor = torch.linalg.solve_ex(damped, gradient)[0]  # ex: no check that waits for the device
    return solved
