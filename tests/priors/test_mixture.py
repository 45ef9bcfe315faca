"""Mixtures of normal distributions, fitted by expectation maximization."""

from __future__ import annotations

import pytest
import torch

from gonkit.priors import GaussianMixture, fit_gaussian_mixture, fit_prior
from tests.priors.clusters import clusters


@pytest.mark.parametrize("centers", [1, 5])
def test_held_out_latents_choose_the_number_of_components(centers: int) -> None:
    prior = fit_prior("gmm", clusters(1500, centers), clusters(300, centers, seed=1))
    assert isinstance(prior, GaussianMixture)
    assert len(prior.weights) == prior.num_components == centers
    normal = fit_prior("normal", clusters(1500, centers), clusters(300, centers))
    assert normal.num_components == 1
    fixed = fit_prior("gmm", clusters(1500, centers), clusters(300, centers), components=3)
    assert fixed.num_components == 3


def test_samples_stay_near_the_clusters() -> None:
    prior = fit_prior("gmm", clusters(1500, 5), clusters(300, 5, seed=1))
    samples = prior.sample(1000)
    assert ((samples[:, 0] / 10).round() * 10 - samples[:, 0]).abs().max() < 5.0
    assert (samples[:, 0] + samples[:, 1]).abs().max() < 8.0  # a single normal has none of this


def test_expectation_maximization_agrees_with_scikit_learn() -> None:
    from sklearn.mixture import GaussianMixture

    latent, unseen = clusters(900, 4), clusters(200, 4, seed=1)
    theirs = GaussianMixture(4, random_state=0).fit(latent.double().numpy()).score(unseen.double().numpy())
    assert abs(fit_gaussian_mixture(latent, 4).log_prob(unseen).mean().item() - theirs) < 0.02


def test_scales_that_differ_by_thousands_are_no_trouble_and_fits_repeat_exactly() -> None:
    from sklearn.mixture import GaussianMixture

    latent, unseen = clusters(900, 4) @ torch.diag(torch.tensor([1e-3, 1.0, 50.0])), clusters(200, 4, seed=1)
    unseen = unseen @ torch.diag(torch.tensor([1e-3, 1.0, 50.0]))
    theirs = GaussianMixture(4, random_state=0, reg_covar=1e-12).fit(latent.double().numpy())
    ours = fit_gaussian_mixture(latent, 4)
    assert abs(ours.log_prob(unseen).mean().item() - theirs.score(unseen.double().numpy())) < 0.02
    again = fit_gaussian_mixture(latent, 4)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in ours.state_dict().items())
    assert ours.weights.sum().item() == pytest.approx(1)
