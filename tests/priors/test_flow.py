"""A normalizing flow over latents."""

from __future__ import annotations

import pytest
import torch

from gonkit.errors import GonkitError
from gonkit.priors import fit_flow, fit_gaussian, load_prior

pytest.importorskip("zuko")


def test_a_flow_learns_a_bend_that_no_normal_has() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(2000, 1, generator=generator)
    latent = torch.cat((first, first.square() + 0.2 * torch.randn(2000, 1, generator=generator)), 1)
    flow = fit_flow(latent[:1700], latent[1700:], steps=150)
    assert flow.log_prob(latent[1700:]).mean() > fit_gaussian(latent[:1700]).log_prob(latent[1700:]).mean() + 0.5
    samples = flow.sample(500, seed=1)
    assert (samples[:, 1] - samples[:, 0].square()).abs().mean() < 0.4
    again = load_prior(flow.state_dict())
    assert torch.equal(again.sample(5, seed=3), flow.sample(5, seed=3))  # the same call, on the same tensors
    (gradient,) = torch.autograd.grad(flow.log_prob(bend := latent[:4].clone().requires_grad_()).sum(), bend)
    assert gradient.norm(dim=1).min() > 0
    grid = torch.cartesian_prod(torch.linspace(-4, 4, 160), torch.linspace(-2, 12, 280))
    assert abs(flow.log_prob(grid).exp().sum().item() * (8 / 160) * (14 / 280) - 1) < 0.05


def test_one_latent_dimension_is_refused() -> None:
    with pytest.raises(GonkitError, match=r'needs latent\.dim of 2 or more; got 1: choose "gmm"'):
        fit_flow(torch.randn(20, 1), torch.randn(5, 1), steps=1)
