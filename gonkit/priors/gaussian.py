"""Mixtures of normal distributions; the paper's multivariate normal is a mixture of one."""

from __future__ import annotations

__all__ = ["GaussianMixture", "fit_gaussian", "standard_normal"]

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from gonkit.errors import GonkitError
from gonkit.priors.base import Prior, reject_label, truncated_normal

RIDGE = 1e-6  # of the latents' mean variance, added to the covariance
CHUNK_NUMBERS = 4_000_000  # numbers that are in memory at once: latents × components × K


@dataclass(frozen=True)
class GaussianMixture(Prior):
    """M normal distributions with full covariances.

    Attributes:
        weights: (M,), which sum to 1.
        means: (M, K).
        scale_tril: (M, K, K) lower Cholesky factors of the covariances.
    """

    weights: Tensor
    means: Tensor
    scale_tril: Tensor

    @property
    def num_components(self) -> int:
        return len(self.weights)

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        truncation: float | None = None,
        label: int | None = None,
    ) -> Tensor:
        reject_label(label)
        generator = torch.Generator().manual_seed(seed)
        component = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = truncated_normal(count, self.means.shape[1], generator, truncation).unsqueeze(-1)
        return self.means[component] + temperature * (self.scale_tril[component] @ noise).squeeze(-1)

    def log_prob(self, latent: Tensor) -> Tensor:
        latent = latent.to(self.means)
        dim = latent.shape[1]
        identity = torch.eye(dim).expand_as(self.scale_tril)
        inverse = torch.linalg.solve_triangular(self.scale_tril, identity, upper=False)  # (M, K, K)
        log_volume = self.scale_tril.diagonal(dim1=1, dim2=2).log().sum(1) + 0.5 * dim * math.log(2 * math.pi)  # (M,)
        squares = []  # (B, M) squared distances from the means, in standard deviations
        for part in latent.split(max(1, CHUNK_NUMBERS // self.means.numel())):
            white = inverse @ (part.T - self.means.unsqueeze(2))  # (M, K, B)
            squares.append(white.square().sum(1).T)
        return torch.logsumexp(self.weights.log() - log_volume - 0.5 * torch.cat(squares), 1)

    def whiten(self, latent: Tensor) -> Tensor:
        """L⁻¹(z − μ) of latents (B, K), in their dtype: mean zero and unit covariance for those that were fitted.

        Raises:
            GonkitError: a mixture of more than one component.

        Example:
            >>> latent = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)).double() * 4 + 1
            >>> white = fit_gaussian(latent).whiten(latent)
            >>> torch.allclose(torch.cov(white.T), torch.eye(3).double(), atol=1e-5)
            True
        """
        if self.num_components != 1:
            raise GonkitError(f"only a single normal distribution whitens latents; got {self.num_components} of them")
        latent = latent.cpu()
        centered = latent - self.means[0].to(latent)
        white: Tensor = torch.linalg.solve_triangular(self.scale_tril[0].to(latent), centered.T, upper=False).T
        return white

    def state_dict(self) -> dict[str, Tensor]:
        return {"weights": self.weights, "means": self.means, "scale_tril": self.scale_tril}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        return cls(state["weights"], state["means"], state["scale_tril"])


def standard_normal(dim: int) -> GaussianMixture:
    """N(0, I) over K = `dim` dimensions: what the KL loss of a variational model pulls latents towards."""
    return GaussianMixture(torch.ones(1), torch.zeros(1, dim), torch.eye(dim).unsqueeze(0))


def fit_gaussian(latent: Tensor) -> GaussianMixture:
    """The multivariate normal with the mean and covariance of latent (B, K), as in the paper."""
    latent = latent.double().cpu()
    dim = latent.shape[1]
    covariance = torch.cov(latent.T, correction=min(1, len(latent) - 1)).reshape(dim, dim)
    ridge = RIDGE * covariance.diagonal().mean().clamp_min(1e-12)
    factor = torch.linalg.cholesky(covariance + ridge * torch.eye(dim, dtype=covariance.dtype))
    return GaussianMixture(torch.ones(1), latent.mean(0).float().unsqueeze(0), factor.float().unsqueeze(0))
