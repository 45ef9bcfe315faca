"""Priors by kind and by class, and their tensors in a model file."""

from __future__ import annotations

import pytest
import torch

from gonkit.errors import GonkitError
from gonkit.priors import ClassConditionalPrior, fit_prior, load_prior, standard_normal
from tests.priors.clusters import clusters, every_kind


def test_latents_that_do_not_vary_are_no_trouble() -> None:
    latent = torch.ones(30, 3)
    for kind in ("normal", "gmm"):
        prior = fit_prior(kind, latent, latent)  # type: ignore[arg-type]
        torch.testing.assert_close(prior.sample(5), torch.ones(5, 3), atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", ["normal", "gmm", "unit", "classes"])
def test_every_prior_is_restored_from_flat_tensors_and_samples_the_same(kind: str) -> None:
    prior = every_kind()[kind]
    again = load_prior({key: value.clone() for key, value in prior.state_dict().items()})
    assert type(again) is type(prior)
    assert again.num_components == prior.num_components
    for settings in ({}, {"temperature": 0.5}, {"truncation": 1.0}):
        assert torch.equal(prior.sample(9, seed=2, **settings), again.sample(9, seed=2, **settings))  # type: ignore[arg-type]
    latent = clusters(20, 3, seed=4)
    assert torch.equal(prior.log_prob(latent), again.log_prob(latent))  # the same call, on the same tensors


def test_a_prior_per_class_samples_from_the_requested_class() -> None:
    prior = every_kind()["classes"]
    assert isinstance(prior, ClassConditionalPrior)
    for label in range(3):
        samples = prior.sample(50, label=label)
        assert (samples[:, 0] - 10 * label).abs().max() < 6
    shares = (prior.sample(3000)[:, 0] / 10).round().long().bincount() / 3000
    torch.testing.assert_close(shares, prior.weights, atol=0.05, rtol=0)
    with pytest.raises(GonkitError, match="knows the classes 0, 1, 2"):
        prior.sample(1, label=7)
    with pytest.raises(GonkitError, match="per_class"):
        standard_normal(3).sample(1, label=0)


def test_a_density_per_class_is_likelier_than_one_normal() -> None:
    priors, unseen = every_kind(), clusters(200, 3, seed=9)
    assert priors["classes"].log_prob(unseen).mean() > priors["normal"].log_prob(unseen).mean() + 1


@pytest.mark.parametrize("kind", ["normal", "gmm", "unit", "classes"])
def test_log_densities_are_differentiable(kind: str) -> None:
    prior, latent = every_kind()[kind], clusters(4, 3, seed=5).requires_grad_()
    (gradient,) = torch.autograd.grad(prior.log_prob(latent).sum(), latent)
    shift = 0.01 * torch.nn.functional.normalize(gradient, dim=1)
    rise = (prior.log_prob(latent + shift) - prior.log_prob(latent - shift)).detach()
    torch.testing.assert_close(rise, 0.02 * gradient.norm(dim=1), atol=2e-4, rtol=0.02)
