"""What a latent is drawn from when a new signal is wanted: a density fitted to the training latents."""

from __future__ import annotations

__all__ = ["Mixture", "Prior", "fit_mixture", "fit_normal", "fit_prior"]

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, distributions

PriorKind = Literal["normal", "gmm"]

MOST_LATENTS = 10_000  # that a mixture is fitted to, for the time it takes
COMPONENTS = (1, 2, 5, 10, 20, 50)
LEAST_PER_COMPONENT = 20  # latents; fewer give covariances of low rank


class Prior(ABC):
    """A density over latents."""

    @abstractmethod
    def sample(self, count: int, *, seed: int = 0, temperature: float = 1.0) -> Tensor:
        """(count, K) draws; `temperature` scales their spread: 0 gives the most typical ones."""

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


@dataclass(frozen=True)
class Mixture(Prior):
    """M Gaussians; the paper's multivariate normal is the case M = 1.

    Attributes:
        weights: (M,) adding up to 1.
        means: (M, K).
        factors: (M, K, K) lower Cholesky factors of the covariances.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    def sample(self, count: int, *, seed: int = 0, temperature: float = 1.0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.means.shape[1], 1, generator=generator)
        return self.means[which] + temperature * (self.factors[which] @ noise).squeeze(-1)

    def log_prob(self, latent: Tensor) -> Tensor:
        parts = distributions.MultivariateNormal(self.means, scale_tril=self.factors, validate_args=False)
        joint = parts.log_prob(latent.cpu().unsqueeze(1)) + self.weights.log()  # (B, M)
        return torch.logsumexp(joint, 1)

    def state(self) -> dict[str, Tensor]:
        return {"weights": self.weights, "means": self.means, "factors": self.factors}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        return cls(**{key: state[key] for key in ("weights", "means", "factors")})


def fit_normal(latent: Tensor) -> Mixture:
    """The multivariate normal with the mean and covariance of latent (B, K), as in the paper."""
    latent = latent.double().cpu()
    mean = latent.mean(0)
    covariance = torch.cov(latent.T).reshape(latent.shape[1], latent.shape[1])
    ridge = 1e-6 * covariance.diagonal().mean().clamp_min(1e-12)
    factor = torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype))
    return Mixture(torch.ones(1), mean.float().unsqueeze(0), factor.float().unsqueeze(0))


def fit_mixture(latent: Tensor, components: int, seed: int = 0) -> Mixture:
    """A Gaussian mixture by expectation maximisation (scikit-learn's), full covariances.

    Args:
        latent: (B, K).
        components: M.
        seed: of the initial clusters.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    latent = latent.double().cpu()
    unit = latent.std(0).mean().clamp_min(1e-12)  # the ridge below is relative to the latents' own size
    mixture = GaussianMixture(components, reg_covar=1e-4, tol=1e-2, max_iter=50, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the likelihood on held-out latents decides
        fitted = mixture.fit((latent / unit).numpy())
    factors = torch.linalg.cholesky(torch.from_numpy(fitted.covariances_))
    return Mixture(
        torch.from_numpy(fitted.weights_).float(),
        (torch.from_numpy(fitted.means_) * unit).float(),
        (factors * unit).float(),
    )


def fit_prior(
    kind: PriorKind, latent: Tensor, held_out: Tensor, components: int | None = None, seed: int = 0
) -> Mixture:
    """The prior that a recipe asks for.

    Args:
        kind: "normal" or "gmm".
        latent: (B, K) of training signals.
        held_out: (B', K) of validation signals.
        components: of a mixture; None takes more as long as `held_out` becomes likelier by more than a standard
            error.
        seed: of the fit.
    """
    if kind == "normal":
        return fit_normal(latent)
    order = torch.randperm(len(latent), generator=torch.Generator().manual_seed(seed))
    latent = latent[order[:MOST_LATENTS]]
    if components is not None:
        return fit_mixture(latent, min(components, len(latent)), seed)
    best = fit_normal(latent)
    for number in COMPONENTS[1:]:
        if number * max(LEAST_PER_COMPONENT, latent.shape[1]) > len(latent):
            break
        mixture = fit_mixture(latent, number, seed)
        gain = mixture.log_prob(held_out) - best.log_prob(held_out)  # (B',) nats
        error = gain.std() / len(gain) ** 0.5 if len(gain) > 1 else gain.abs().squeeze()
        if gain.mean() > error:
            best = mixture
        elif gain.mean() < -error:  # once more components overfit, more still do so worse
            break
    return best
