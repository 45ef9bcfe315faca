"""Statistics of multivariate normality, and how well each detects latents that are not normal.

`gonkit.priors.normality` uses the energy statistic because of this comparison.
"""

from __future__ import annotations

__all__ = ["CASES", "STATISTICS", "detection_power", "henze_zirkler", "mardia_kurtosis", "mardia_skewness"]

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gonkit.priors import energy, fit_gaussian

Statistic = Callable[[Tensor], float]


def henze_zirkler(latent: Tensor) -> float:
    """N ∫ |φ_Y(t) − φ_Z(t)|² w_β(t) dt of latents (N, K), whitened to Y; φ are characteristic functions, w_β is normal.

    Henze & Zirkler, A Class of Invariant Consistent Tests for Multivariate Normality (1990).
    """
    white = _whiten(latent)
    size, dim = white.shape
    beta = (size * (2 * dim + 1) / 4) ** (1 / (dim + 4)) / math.sqrt(2)
    distances = torch.cdist(white, white, compute_mode="donot_use_mm_for_euclid_dist")  # exact for near latents
    pairs = (distances.square() * (-(beta**2) / 2)).exp().sum().item() / size
    to_center = (white.square().sum(1) * (-(beta**2) / (2 * (1 + beta**2)))).exp().sum().item()
    return float(pairs - 2 * (1 + beta**2) ** (-dim / 2) * to_center + size * (1 + 2 * beta**2) ** (-dim / 2))


def mardia_skewness(latent: Tensor) -> float:
    """Mean of (y_i · y_j)³ over pairs of latents (N, K), whitened to y.

    Mardia, Measures of Multivariate Skewness and Kurtosis (1970).
    """
    white = _whiten(latent)
    return (white @ white.T).pow(3).mean().item()


def mardia_kurtosis(latent: Tensor) -> float:
    """| mean of |y_i|⁴ − K(K + 2) | of latents (N, K), whitened to y. Mardia (1970)."""
    white = _whiten(latent)
    dim = white.shape[1]
    return abs(white.square().sum(1).square().mean().item() - dim * (dim + 2))


STATISTICS: Mapping[str, Statistic] = {
    "energy": energy,
    "henze_zirkler": henze_zirkler,
    "mardia_skewness": mardia_skewness,
    "mardia_kurtosis": mardia_kurtosis,
}


def _heavy(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Student's t with 20 degrees of freedom."""
    chi = torch.randn(len(normal), 20, generator=generator).square().mean(1, keepdim=True)
    return normal / chi.sqrt()


def _clustered(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Ten clusters, as of ten classes, whose centers have 0.7 times the standard deviation of each cluster."""
    centers = 0.7 * torch.randn(10, normal.shape[1], generator=generator)
    return normal + centers[torch.randint(10, (len(normal),), generator=generator)]


def _bent(normal: Tensor, generator: torch.Generator) -> Tensor:
    """To half of the dimensions, the squares of the others are added."""
    half = normal.shape[1] // 2
    return torch.cat((normal[:, :half] + 0.2 * normal[:, half : 2 * half].square(), normal[:, half:]), 1)


def _skewed(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Each dimension slightly log-normal."""
    return torch.expm1(0.15 * normal)


def _bounded(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Each dimension uniform."""
    uniform: Tensor = torch.special.ndtr(normal)
    return uniform


CASES: Mapping[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "heavy": _heavy,
    "clustered": _clustered,
    "bent": _bent,
    "skewed": _skewed,
    "bounded": _bounded,
}
"""Distributions that are not normal: each turns normal samples (N, K) into its own."""


def detection_power(size: int = 256, latents: int = 32, draws: int = 100, level: float = 0.05) -> dict[str, float]:
    """Power of each statistic's test of normality: the share of sets of a case that it rejects, as `statistic_case`.

    Args:
        size: latents in a set, N.
        latents: latent dimensions, K.
        draws: sets of each case, and normal sets from which the critical value is taken.
        level: significance level, the share of normal sets that is rejected.
    """
    generator = torch.Generator().manual_seed(0)

    def normal_sets() -> list[Tensor]:
        return [torch.randn(size, latents, generator=generator) for _ in range(draws)]

    null = normal_sets()
    alternatives = {name: [case(one, generator) for one in normal_sets()] for name, case in CASES.items()}
    power = {}
    for name, statistic in STATISTICS.items():
        critical = torch.tensor([statistic(one) for one in null]).quantile(1 - level).item()
        for case_name, samples in alternatives.items():
            power[f"{name}_{case_name}"] = sum(statistic(one) > critical for one in samples) / draws
    return power


def _whiten(latent: Tensor) -> Tensor:
    """(N, K) float64 of zero mean and unit covariance."""
    latent = latent.double()
    latent = latent - latent.mean(0)  # in double precision; the fitted mean has single precision
    return fit_gaussian(latent).whiten(latent)
