"""Densities over latents."""

from __future__ import annotations

import pytest
import torch

from gonkit.densities import unit_normal
from gonkit.flows import fit_flow
from gonkit.mixtures import fit_mixture
from gonkit.priors import Mixture, PerClass, Prior, fit_normal, fit_prior, restore_prior
from gonkit.signal import SignalError


def clusters(count: int, centers: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    where = torch.arange(centers).float() * 10
    which = torch.randint(centers, (count,), generator=generator)
    return torch.stack((where[which], -where[which], torch.zeros(count)), 1) + torch.randn(
        count, 3, generator=generator
    )


def test_the_normal_has_the_latents_mean_and_covariance() -> None:
    torch.manual_seed(0)
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


@pytest.mark.parametrize("centers", [1, 5])
def test_held_out_latents_choose_the_number_of_components(centers: int) -> None:
    prior = fit_prior("gmm", clusters(1500, centers), clusters(300, centers, seed=1))
    assert len(prior.weights) == centers
    assert len(fit_prior("normal", clusters(1500, centers), clusters(300, centers)).weights) == 1
    assert len(fit_prior("gmm", clusters(1500, centers), clusters(300, centers), components=3).weights) == 3


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


def every_kind() -> dict[str, Prior]:
    latent, held_out = clusters(600, 3), clusters(100, 3, seed=1)
    label, held_out_label = ((part[:, 0] / 10).round().long() for part in (latent, held_out))
    return {
        "normal": fit_normal(latent),
        "gmm": fit_mixture(latent, 3),
        "unit": unit_normal(3),
        "classes": fit_prior("normal", latent, held_out, label=label, held_out_label=held_out_label),
    }


@pytest.mark.parametrize("kind", ["normal", "gmm", "unit", "classes"])
def test_every_prior_is_restored_from_flat_tensors_and_draws_the_same(kind: str) -> None:
    prior = every_kind()[kind]
    again = restore_prior({key: value.clone() for key, value in prior.state().items()})
    assert type(again) is type(prior)
    assert again.components == prior.components
    for settings in ({}, {"temperature": 0.5}, {"truncation": 1.0}):
        assert torch.equal(prior.sample(9, seed=2, **settings), again.sample(9, seed=2, **settings))  # type: ignore[arg-type]
    latent = clusters(20, 3, seed=4)
    assert torch.equal(prior.log_prob(latent), again.log_prob(latent))


def test_truncation_bounds_the_noise() -> None:
    drawn = unit_normal(3).sample(2000, truncation=0.7)
    assert 0.65 < drawn.abs().max() <= 0.7
    assert drawn.mean(0).abs().max() < 0.05
    with pytest.raises(SignalError, match="above 0"):
        unit_normal(3).sample(2, truncation=0.0)


def test_a_prior_per_class_draws_from_the_class_asked_for() -> None:
    prior = every_kind()["classes"]
    assert isinstance(prior, PerClass)
    for label in range(3):
        drawn = prior.sample(50, label=label)
        assert (drawn[:, 0] - 10 * label).abs().max() < 6
    shares = (prior.sample(3000)[:, 0] / 10).round().long().bincount() / 3000
    torch.testing.assert_close(shares, prior.weights, atol=0.05, rtol=0)
    with pytest.raises(SignalError, match="knows the classes 0, 1, 2"):
        prior.sample(1, label=7)
    with pytest.raises(SignalError, match="per_class"):
        unit_normal(3).sample(1, label=0)


def test_a_mixture_over_classes_is_likelier_than_one_normal() -> None:
    priors, unseen = every_kind(), clusters(200, 3, seed=9)
    assert priors["classes"].log_prob(unseen).mean() > priors["normal"].log_prob(unseen).mean() + 1


def test_expectation_maximization_agrees_with_scikit_learn_s() -> None:
    from sklearn.mixture import GaussianMixture

    latent, unseen = clusters(900, 4), clusters(200, 4, seed=1)
    theirs = GaussianMixture(4, random_state=0).fit(latent.double().numpy()).score(unseen.double().numpy())
    assert abs(fit_mixture(latent, 4).log_prob(unseen).mean().item() - theirs) < 0.02


def test_a_flow_learns_a_bend_that_no_normal_has() -> None:
    pytest.importorskip("zuko")
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(2000, 1, generator=generator)
    latent = torch.cat((first, first.square() + 0.2 * torch.randn(2000, 1, generator=generator)), 1)
    flow = fit_flow(latent[:1700], latent[1700:], steps=150)
    assert flow.log_prob(latent[1700:]).mean() > fit_normal(latent[:1700]).log_prob(latent[1700:]).mean() + 0.5
    drawn = flow.sample(500, seed=1)
    assert (drawn[:, 1] - drawn[:, 0].square()).abs().mean() < 0.4
    again = restore_prior(flow.state())
    assert torch.equal(again.sample(5, seed=3), flow.sample(5, seed=3))
    grid = torch.cartesian_prod(torch.linspace(-4, 4, 160), torch.linspace(-2, 12, 280))
    assert abs(flow.log_prob(grid).exp().sum().item() * (8 / 160) * (14 / 280) - 1) < 0.05
