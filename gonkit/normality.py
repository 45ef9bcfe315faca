"""How far latents are from a normal distribution: the figure by which the paper stops its training."""

from __future__ import annotations

__all__ = ["energy", "henze_zirkler", "mardia_kurtosis", "mardia_skewness", "normality", "power"]

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from gonkit.densities import fit_normal

MOST = 1024  # latents compared with each other
NULL_DRAWS = 40  # sets of normal latents that a figure is held against

Statistic = Callable[[Tensor], float]


def normality(latent: Tensor) -> float:
    """How far latents are from as many draws from a normal distribution: up to about 2 for such draws themselves.

    The energy statistic and its mean over sets of normal draws of the same size, apart by so many of their standard
    deviations. It depends on the number of latents: compare figures of equal numbers.

    Args:
        latent: (B, K), of which up to 1,024 are taken.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> latent = torch.randn(256, 8, generator=generator) + 5
        >>> abs(normality(latent)) < 3 < normality(latent.exp())
        True
    """
    latent = latent.detach().cpu()[:MOST]
    mean, deviation = _null(*latent.shape)
    return abs(energy(latent) - mean) / deviation


def energy(latent: Tensor) -> float:
    """N · (2 E|Y − Z| − E|Z − Z'| − E|Y − Y'|), of whitened latents Y, and Z, Z' unit normal.

    Székely & Rizzo, A New Test for Multivariate Normality (2005).
    """
    from scipy.special import hyp1f1

    white = _whitened(latent)
    size, latents = white.shape
    length = math.sqrt(2) * math.exp(math.lgamma((latents + 1) / 2) - math.lgamma(latents / 2))  # E|Z|
    squares = white.square().sum(1).numpy()
    to_normal = length * float(hyp1f1(-0.5, latents / 2, -squares / 2).mean())
    among = torch.cdist(white, white).sum().item() / size**2
    return size * (2 * to_normal - math.sqrt(2) * length - among)


def henze_zirkler(latent: Tensor) -> float:
    """N ∫ |φ_Y(t) − φ_Z(t)|² w_β(t) dt, between characteristic functions, with a normal weight.

    Henze & Zirkler, A Class of Invariant Consistent Tests for Multivariate Normality (1990).
    """
    white = _whitened(latent)
    size, latents = white.shape
    beta = (size * (2 * latents + 1) / 4) ** (1 / (latents + 4)) / math.sqrt(2)
    among = (torch.cdist(white, white).square() * (-(beta**2) / 2)).exp().sum().item() / size
    to_center = (white.square().sum(1) * (-(beta**2) / (2 * (1 + beta**2)))).exp().sum().item()
    return float(among - 2 * (1 + beta**2) ** (-latents / 2) * to_center + size * (1 + 2 * beta**2) ** (-latents / 2))


def mardia_skewness(latent: Tensor) -> float:
    """Mean over pairs of (y_i · y_j)³. Mardia, Measures of Multivariate Skewness and Kurtosis (1970)."""
    white = _whitened(latent)
    return (white @ white.T).pow(3).mean().item()


def mardia_kurtosis(latent: Tensor) -> float:
    """| mean of |y_i|⁴ − K(K + 2) |. Mardia (1970)."""
    white = _whitened(latent)
    latents = white.shape[1]
    return abs(white.square().sum(1).square().mean().item() - latents * (latents + 2))


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
    """Ten clusters, as classes make them, whose centers vary 0.7 times as much as they do themselves."""
    centers = 0.7 * torch.randn(10, normal.shape[1], generator=generator)
    return normal + centers[torch.randint(10, (len(normal),), generator=generator)]


def _bent(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the dimensions gain the squares of the others."""
    half = normal.shape[1] // 2
    return torch.cat((normal[:, :half] + 0.2 * normal[:, half : 2 * half].square(), normal[:, half:]), 1)


def _skewed(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Every dimension a little like an exponential."""
    return torch.expm1(0.15 * normal)


def _bounded(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Every dimension spread evenly."""
    evenly: Tensor = torch.special.ndtr(normal)
    return evenly


CASES: Mapping[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "heavy": _heavy,
    "clustered": _clustered,
    "bent": _bent,
    "skewed": _skewed,
    "bounded": _bounded,
}


def power(size: int = 256, latents: int = 32, draws: int = 100, level: float = 0.05) -> dict[str, float]:
    """How often each statistic tells latents of some kinds from normal ones, by `statistic_case`.

    Args:
        size: latents in a set.
        latents: K.
        draws: sets of each kind.
        level: how often normal latents are taken for others.
    """
    generator = torch.Generator().manual_seed(0)

    def sets(case: str | None) -> list[Tensor]:
        drawn = [torch.randn(size, latents, generator=generator) for _ in range(draws)]
        return drawn if case is None else [CASES[case](one, generator) for one in drawn]

    normal, others = sets(None), {case: sets(case) for case in CASES}
    found = {}
    for name, statistic in STATISTICS.items():
        limit = torch.tensor([statistic(one) for one in normal]).quantile(1 - level).item()
        for case, drawn in others.items():
            found[f"{name}_{case}"] = sum(statistic(one) > limit for one in drawn) / draws
    return found


@lru_cache(maxsize=16)
def _null(size: int, latents: int) -> tuple[float, float]:
    """Mean and standard deviation of the energy statistic of normal latents."""
    generator = torch.Generator().manual_seed(0)
    found = torch.tensor([energy(torch.randn(size, latents, generator=generator)) for _ in range(NULL_DRAWS)])
    return found.mean().item(), max(found.std().item(), 1e-9)


def _whitened(latent: Tensor) -> Tensor:
    """(B, K) with zero mean and unit covariance, float64."""
    latent = latent.double().cpu()
    about = fit_normal(latent)
    factor = about.factors[0].double()
    white: Tensor = torch.linalg.solve_triangular(factor, (latent - latent.mean(0)).T, upper=False).T
    return white
