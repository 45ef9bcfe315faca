"""Outer terms that shape the distribution of latents."""

from __future__ import annotations

import torch

from gonkit.batch import Batch, Prediction
from gonkit.losses import get_loss


def normal(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_penalties_on_norm_and_covariance_equal_their_formulas() -> None:
    latent = normal(40, 5, seed=2).double().requires_grad_()
    prediction = Prediction(torch.zeros(40, 1, 1), latent)
    batch = Batch(torch.zeros(1, 2), torch.zeros(40, 1, 1))
    torch.testing.assert_close(get_loss("latent_l2")(prediction, batch), latent.square().mean(1))
    covariance = get_loss("latent_covariance")(prediction, batch)
    expected = (torch.cov(latent.T) - torch.eye(5)).square().sum() + latent.mean(0).square().sum()
    torch.testing.assert_close(covariance, (expected / 5).expand(40))
    factor = torch.linalg.cholesky(torch.cov(latent.T))
    white = torch.linalg.solve_triangular(factor, (latent - latent.mean(0)).T, upper=False).T
    assert get_loss("latent_covariance")(Prediction(prediction.values, white), batch).max() < 1e-12


def test_the_gradient_penalty_is_the_squared_jacobian_on_average() -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 2, 5, dtype=torch.float64)  # (P, C, K)
    latent = normal(3, 5).double().requires_grad_()
    prediction = Prediction(torch.einsum("pck,bk->bpc", weight, latent), latent)
    batch = Batch(torch.zeros(6, 2), torch.zeros(3, 6, 2))
    penalty = torch.stack([get_loss("latent_gradient")(prediction, batch) for _ in range(4000)]).mean()
    torch.testing.assert_close(penalty, weight.square().sum() / 6, rtol=0.03, atol=0)
    empty = Prediction(torch.einsum("pck,bk->bpc", weight[:0], latent), latent)
    assert get_loss("latent_gradient")(empty, batch).tolist() == [0, 0, 0]
