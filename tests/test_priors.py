"""Densities over latents."""

from __future__ import annotations

import pytest
import torch

from gonkit.priors import Mixture, fit_mixture, fit_normal, fit_prior


def clusters(count: int, centres: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    where = torch.arange(centres).float() * 10
    which = torch.randint(centres, (count,), generator=generator)
    return torch.stack((where[which], -where[which], torch.zeros(count)), 1) + torch.randn(
        count, 3, generator=generator
    )


def test_the_normal_has_the_latents_mean_and_covariance() -> None:
    latent = torch.randn(500, 4) @ torch.randn(4, 4) + 3
    prior = fit_normal(latent)
    torch.testing.assert_close(prior.means[0], latent.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(prior.factors[0] @ prior.factors[0].T, torch.cov(latent.T), atol=1e-4, rtol=1e-3)
    drawn = prior.sample(20_000)
    torch.testing.assert_close(drawn.mean(0), latent.mean(0), atol=0.15, rtol=0)
    theirs = torch.distributions.MultivariateNormal(latent.mean(0), torch.cov(latent.T)).log_prob(latent)
    torch.testing.assert_close(prior.log_prob(latent), theirs, atol=1e-2, rtol=0)


def test_a_mixture_s_density_is_the_weighted_sum_of_its_parts() -> None:
    prior = fit_mixture(clusters(400, 3), 3)
    latent = clusters(50, 3, seed=1)
    parts = [
        weight * torch.distributions.MultivariateNormal(mean, scale_tril=factor).log_prob(latent).double().exp()
        for weight, mean, factor in zip(prior.weights, prior.means, prior.factors, strict=True)
    ]
    torch.testing.assert_close(prior.log_prob(latent).double(), torch.stack(parts).sum(0).log(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("centres", [1, 5])
def test_held_out_latents_choose_the_number_of_components(centres: int) -> None:
    prior = fit_prior("gmm", clusters(1500, centres), clusters(300, centres, seed=1))
    assert len(prior.weights) == centres
    assert len(fit_prior("normal", clusters(1500, centres), clusters(300, centres)).weights) == 1
    assert len(fit_prior("gmm", clusters(1500, centres), clusters(300, centres), components=3).weights) == 3


def test_samples_stay_near_the_clusters() -> None:
    prior = fit_prior("gmm", clusters(1500, 5), clusters(300, 5, seed=1))
    drawn = prior.sample(1000)
    assert ((drawn[:, 0] / 10).round() * 10 - drawn[:, 0]).abs().max() < 5.0
    assert (drawn[:, 0] + drawn[:, 1]).abs().max() < 8.0  # a single normal has none of this


def test_state_seed_and_temperature() -> None:
    prior = fit_mixture(clusters(400, 3), 3)
    again = Mixture.from_state(prior.state())
    assert torch.equal(prior.sample(7, seed=3), again.sample(7, seed=3))
    assert not torch.equal(prior.sample(7, seed=3), prior.sample(7, seed=4))
    cold = prior.sample(50, temperature=0.0)
    assert torch.cdist(cold, prior.means).min(1).values.max() == 0
    assert prior.sample(500, temperature=0.5).std(0).sum() < prior.sample(500, temperature=2.0).std(0).sum()


def test_latents_that_do_not_vary_are_no_trouble() -> None:
    latent = torch.ones(30, 3)
    for kind in ("normal", "gmm"):
        prior = fit_prior(kind, latent, latent)  # type: ignore[arg-type]
        torch.testing.assert_close(prior.sample(5), torch.ones(5, 3), atol=1e-3, rtol=0)
