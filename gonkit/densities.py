"""Densities that latents can be drawn from: the interface, and mixtures of normals."""

from __future__ import annotations

__all__ = ["Mixture", "Prior", "drawn_noise", "fit_normal", "unit_normal"]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, distributions

from gonkit.signal import SignalError


class Prior(ABC):
    """A density over latents."""

    @property
    @abstractmethod
    def components(self) -> int:
        """Normals that it is made of; 1 for a flow."""

    @abstractmethod
    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        truncation: float | None = None,
        label: int | None = None,
    ) -> Tensor:
        """Draws latents; the same seed draws the same ones.

        Args:
            count: how many.
            seed: of the draw.
            temperature: scales the spread of the noise that latents are made from: 0 gives the most typical ones.
            truncation: largest size of that noise, in standard deviations; None for no limit. Brock, Donahue &
                Simonyan, arXiv 1809.11096, section 3.1.
            label: class to draw from, for a prior that has one density for each.

        Returns:
            (count, K).

        Raises:
            SignalError: a label where the prior has no classes, or one it does not know.
        """

    @abstractmethod
    def log_prob(self, latent: Tensor) -> Tensor:
        """Log density (B,) of latent (B, K), in nats."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What `from_state` needs."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The prior that was saved."""


def drawn_noise(count: int, latents: int, generator: torch.Generator, truncation: float | None = None) -> Tensor:
    """Unit normal noise (count, latents), within ± `truncation` where that is not None.

    Example:
        >>> noise = drawn_noise(1000, 8, torch.Generator().manual_seed(0), truncation=0.5)
        >>> bool(noise.abs().max() <= 0.5), round(noise.std().item(), 1)
        (True, 0.3)
    """
    if truncation is None:
        return torch.randn(count, latents, generator=generator)
    if not truncation > 0:
        raise SignalError(f"truncation: got {truncation:g}; expected standard deviations above 0, such as 1.5")
    inside = torch.special.ndtr(torch.tensor(truncation, dtype=torch.float64)) * 2 - 1
    share = torch.rand(count, latents, generator=generator, dtype=torch.float64)
    noise: Tensor = torch.special.ndtri(0.5 + (share - 0.5) * inside).float()
    return noise


def without_classes(label: int | None) -> None:
    """Refuses a label.

    Raises:
        SignalError: there is one.
    """
    if label is not None:
        raise SignalError(
            f"label: got {label}, and this model's prior does not tell classes apart; train it with "
            "prior.per_class = true on signals with labels"
        )


@dataclass(frozen=True)
class Mixture(Prior):
    """M normals; the paper's multivariate normal is the case M = 1.

    Attributes:
        weights: (M,) adding up to 1.
        means: (M, K).
        factors: (M, K, K) lower Cholesky factors of the covariances.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    @property
    def components(self) -> int:
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
        without_classes(label)
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = drawn_noise(count, self.means.shape[1], generator, truncation).unsqueeze(-1)
        return self.means[which] + temperature * (self.factors[which] @ noise).squeeze(-1)

    def log_prob(self, latent: Tensor) -> Tensor:
        latent = latent.cpu()
        parts = [  # one at a time: all M at once would need M·B·K numbers
            distributions.MultivariateNormal(mean, scale_tril=factor, validate_args=False).log_prob(latent)
            for mean, factor in zip(self.means, self.factors, strict=True)
        ]
        return torch.logsumexp(torch.stack(parts, 1) + self.weights.log(), 1)

    def state(self) -> dict[str, Tensor]:
        return {"weights": self.weights, "means": self.means, "factors": self.factors}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        return cls(**{key: state[key] for key in ("weights", "means", "factors")})


def unit_normal(latents: int) -> Mixture:
    """N(0, I) over K = `latents` dimensions: what a variational model's latents are pulled towards."""
    return Mixture(torch.ones(1), torch.zeros(1, latents), torch.eye(latents).unsqueeze(0))


def fit_normal(latent: Tensor) -> Mixture:
    """The multivariate normal with the mean and covariance of latent (B, K), as in the paper."""
    latent = latent.double().cpu()
    mean = latent.mean(0)
    covariance = torch.cov(latent.T, correction=min(1, len(latent) - 1)).reshape(latent.shape[1], latent.shape[1])
    ridge = 1e-6 * covariance.diagonal().mean().clamp_min(1e-12)
    factor = torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype))
    return Mixture(torch.ones(1), mean.float().unsqueeze(0), factor.float().unsqueeze(0))
