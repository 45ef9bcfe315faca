"""How far latents are from a normal distribution: the criterion by which the paper stops training."""

from __future__ import annotations

__all__ = ["energy", "normality"]

import math
from functools import lru_cache

import torch
from torch import Tensor

from gonkit.priors.gaussian import fit_gaussian

MAX_LATENTS = 1024  # compared with each other
NUM_NULL_SETS = 40  # sets of normal samples with which the statistic of the latents is compared


def normality(latent: Tensor) -> float:
    """How unlike samples from a normal distribution latents are: up to about 2 for such samples themselves.

    The energy statistic's distance from its mean over sets of normal samples of the same size, in standard deviations
    over those sets. It depends on the number of latents: compare values for equal numbers only.

    Args:
        latent: (B, K), of which the first 1,024 are used.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> latent = torch.randn(256, 8, generator=generator) + 5
        >>> abs(normality(latent)) < 3 < normality(latent.exp())
        True
    """
    latent = latent.detach().cpu()[:MAX_LATENTS]
    mean, std = _null_distribution(*latent.shape)
    return abs(energy(latent) - mean) / std


def energy(latent: Tensor) -> float:
    """N · (2 E|Y − Z| − E|Z − Z'| − E|Y − Y'|) of latents (N, K), whitened to Y; Z and Z' are standard normal.

    Székely & Rizzo, A New Test for Multivariate Normality (2005).
    """
    from scipy.special import hyp1f1

    latent = latent.double()
    latent = latent - latent.mean(0)  # in double precision; the fitted mean has single precision
    white = fit_gaussian(latent).whiten(latent)
    size, dim = white.shape
    norm = math.sqrt(2) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))  # E|Z|
    squares = white.square().sum(1).numpy()
    to_normal = norm * float(hyp1f1(-0.5, dim / 2, -squares / 2).mean())
    distances = torch.cdist(white, white, compute_mode="donot_use_mm_for_euclid_dist")  # exact for near latents
    return size * (2 * to_normal - math.sqrt(2) * norm - distances.sum().item() / size**2)


@lru_cache(maxsize=16)
def _null_distribution(size: int, dim: int) -> tuple[float, float]:
    """Mean and standard deviation of the energy statistic of `size` normal samples."""
    generator = torch.Generator().manual_seed(0)
    statistic = torch.tensor([energy(torch.randn(size, dim, generator=generator)) for _ in range(NUM_NULL_SETS)])
    return statistic.mean().item(), max(statistic.std().item(), 1e-9)
