"""The evidence lower bound, against torch's distributions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from gonkit.batch import Batch
from gonkit.data import InMemoryDataset
from gonkit.evaluation import evaluate_elbo
from gonkit.losses import Objective, get_loss
from gonkit.nn import GON, GradientStep, PosteriorHead, Siren

LATENT, POINTS, CHANNELS, COUNT = 3, 7, 2, 5


def variational(loss: str) -> tuple[GON, InMemoryDataset]:
    torch.manual_seed(0)
    scale = 0.7 if loss == "mse" else 1.0
    field = Siren(1, CHANNELS, LATENT, width=8, layers=2, omega=3.0)
    gon = GON(field, get_loss(loss), GradientStep(2.0), value_scale=scale, posterior=PosteriorHead(LATENT))
    assert gon.posterior is not None
    nn.init.constant_(gon.posterior.log_variance.bias, -1.0)
    coords = torch.linspace(-1, 1, POINTS).unsqueeze(1)
    return gon, InMemoryDataset(Batch(coords, torch.rand(COUNT, POINTS, CHANNELS)))


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_the_bound_is_the_expected_log_likelihood_less_the_divergence(loss: str) -> None:
    gon, dataset = variational(loss)
    weight, beta = (1.0, 0.05) if loss == "mse" else (POINTS * 0.05, 0.05)  # the weights of an ELBO, see evaluate_elbo
    result = evaluate_elbo(gon, Objective.from_names(loss, {loss: weight, "kl": beta}), dataset)

    batch = gon.standardize(dataset.data)
    assert gon.posterior is not None
    with torch.no_grad():
        mean, log_variance = gon.posterior(gon.infer_latent(batch))
    posterior = Normal(mean, (0.5 * log_variance).exp())
    divergence = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1)
    noise = torch.randn(COUNT, LATENT, generator=torch.Generator().manual_seed(0))
    values = gon.decode(mean + posterior.stddev * noise, batch.coords, network_units=True)
    if loss == "mse":
        likelihood: Normal | Bernoulli = Normal(values, math.sqrt(beta * POINTS / (2 * weight)))
    else:
        likelihood = Bernoulli(logits=values, validate_args=False)
    expected = likelihood.log_prob(batch.values).sum((1, 2)) - divergence
    assert result["kl"] == pytest.approx(divergence.mean().item(), rel=1e-4)
    assert result["elbo"] == pytest.approx(expected.mean().item(), rel=1e-4)


def test_other_losses_have_a_divergence_and_no_bound() -> None:
    gon, dataset = variational("mse")
    assert evaluate_elbo(gon, Objective.from_names("mse", {"l1": 1.0, "kl": 0.1}), dataset).keys() == {"kl"}
