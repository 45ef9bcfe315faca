"""How normal latents are."""

from __future__ import annotations

import pytest
import torch

from gonkit.priors import normality
from gonkit.priors.normality import energy


def normal(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_the_energy_statistic_agrees_with_samples_of_the_normal() -> None:
    latent = normal(60, 4).exp()
    white = (latent - latent.mean(0)).double()
    factor = torch.linalg.cholesky(torch.cov(white.T))
    white = torch.linalg.solve_triangular(factor, white.T, upper=False).T
    many, others = (torch.randn(20_000, 4, generator=torch.Generator().manual_seed(s)).double() for s in (1, 2))
    literal = (
        2 * torch.cdist(white, many).mean() - (many - others).norm(dim=1).mean() - torch.cdist(white, white).mean()
    )
    assert energy(latent) == pytest.approx(60 * literal.item(), rel=0.1)


def test_normality_ignores_mean_and_covariance() -> None:
    latent = normal(300, 6, seed=3)
    assert normality(latent) == pytest.approx(normality(latent @ normal(6, 6, seed=4) * 5 + 2), rel=0.02)
    assert normality(latent) < 3
