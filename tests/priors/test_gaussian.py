"""Normal distributions and mixtures of them."""

from __future__ import annotations

import pytest
import torch

from gonkit.errors import GonkitError
from gonkit.priors import GaussianMixture, fit_gaussian, fit_gaussian_mixture, standard_normal
from tests.priors.clusters import clusters


def test_the_normal_has_the_latents_mean_and_covariance() -> None:
    torch.manual_seed(0)
    latent = torch.randn(500, 4) @ torch.randn(4, 4) + 3
    prior = fit_gaussian(latent)
    torch.testing.assert_close(prior.means[0], latent.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(prior.scale_tril[0] @ prior.scale_tril[0].T, torch.cov(latent.T), atol=1e-4, rtol=1e-3)
    samples = prior.sample(20_000)
    torch.testing.assert_close(samples.mean(0), latent.mean(0), atol=0.15, rtol=0)
    theirs = torch.distributions.MultivariateNormal(latent.mean(0), torch.cov(latent.T)).log_prob(latent)
    torch.testing.assert_close(prior.log_prob(latent), theirs, atol=1e-2, rtol=0)


def test_a_mixture_s_density_is_the_weighted_sum_of_its_parts() -> None:
    prior = fit_gaussian_mixture(clusters(400, 3), 3)
    latent = clusters(50, 3, seed=1)
    parts = [
        weight * torch.distributions.MultivariateNormal(mean, scale_tril=factor).log_prob(latent).double().exp()
        for weight, mean, factor in zip(prior.weights, prior.means, prior.scale_tril, strict=True)
    ]
    torch.testing.assert_close(prior.log_prob(latent).double(), torch.stack(parts).sum(0).log(), atol=1e-3, rtol=0)


def test_state_seed_and_temperature() -> None:
    prior = fit_gaussian_mixture(clusters(400, 3), 3)
    again = GaussianMixture.from_state_dict(prior.state_dict())
    assert torch.equal(prior.sample(7, seed=3), again.sample(7, seed=3))
    assert not torch.equal(prior.sample(7, seed=3), prior.sample(7, seed=4))
    cold = prior.sample(50, temperature=0.0)
    nearest = (cold.unsqueeze(1) - prior.means).abs().amax(2).amin(1)  # (50,), of copies: exact on any processor
    assert nearest.max() == 0
    assert prior.sample(500, temperature=0.5).std(0).sum() < prior.sample(500, temperature=2.0).std(0).sum()


def test_whitened_latents_have_no_mean_and_unit_covariance() -> None:
    latent = clusters(500, 2).double()
    white = fit_gaussian(latent).whiten(latent)
    torch.testing.assert_close(white.mean(0), torch.zeros(3).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(3).double(), atol=1e-4, rtol=0)
    with pytest.raises(GonkitError, match="only a single normal distribution whitens latents; got 2"):
        fit_gaussian_mixture(latent, 2).whiten(latent)


def test_truncation_bounds_the_noise() -> None:
    samples = standard_normal(3).sample(2000, truncation=0.7)
    assert 0.65 < samples.abs().max() <= 0.7
    assert samples.mean(0).abs().max() < 0.05
    with pytest.raises(GonkitError, match="above 0"):
        standard_normal(3).sample(2, truncation=0.0)
