"""Gaussian mixtures by expectation maximization, with as many components as held-out latents like best.

Dempster, Laird & Rubin, Maximum Likelihood from Incomplete Data via the EM Algorithm (1977).
"""

from __future__ import annotations

__all__ = ["choose_mixture", "fit_mixture"]

import math

import torch
from torch import Tensor

from gonkit.densities import Mixture, fit_normal

COMPONENTS = (2, 5, 10, 20, 50, 100)
MOST_LATENTS = 20_000  # that a mixture is fitted to
MOST_WORK = 3e9  # latents × components × K², for the time it takes: components stop there
LEAST_PER_COMPONENT = 20  # latents, and no fewer than K; fewer give covariances of low rank
CLUSTERED = 5  # rounds of k-means to begin with
ROUNDS = 40  # of expectation maximization, at most
ENOUGH = 0.005  # nats per latent and round, below which it ends
RIDGE = 1e-4  # of the latents' mean variance, added to every covariance
ROWS = 4096  # latents whose products are in memory at once


def fit_mixture(latent: Tensor, components: int, seed: int = 0) -> Mixture:
    """A mixture of normals with full covariances.

    The log density of a normal is linear in the products z_i z_j, the z_i and 1. Both halves of a round are then
    products of one matrix with those features: (B, ½K(K+1) + K + 1) by M for the responsibilities, and back for
    the moments.

    Args:
        latent: (B, K).
        components: M, at most B.
        seed: of the first clusters.
    """
    latent = latent.double().cpu()
    center, unit = latent.mean(0), latent.std(0, correction=0).mean().clamp_min(1e-12)
    scaled = (latent - center) / unit
    responsibility = torch.nn.functional.one_hot(_clustered(scaled, components, seed), components).double()
    before = -math.inf
    for _ in range(ROUNDS):
        weights, means, factors = _moments(scaled, responsibility)
        responsibility, likelihood = _responsibilities(scaled, weights, means, factors)
        if likelihood - before < ENOUGH:
            break
        before = likelihood
    return Mixture(weights.float(), (means * unit + center).float(), (factors * unit).float())


def choose_mixture(latent: Tensor, held_out: Tensor, seed: int = 0) -> Mixture:
    """The mixture that held-out latents are likeliest under.

    Takes more components (2, 5, 10, 20, 50, 100) as long as `held_out` becomes likelier by more than a standard error
    of the paired difference, there are enough latents for each, and the time is bounded.

    Args:
        latent: (B, K) of training signals.
        held_out: (B', K) of validation signals.
        seed: of the fit.
    """
    latents = latent.shape[1]
    latent = some(latent, MOST_LATENTS, seed)
    best = fit_normal(latent)
    for number in COMPONENTS:
        enough = number * max(LEAST_PER_COMPONENT, latents) <= len(latent)
        if not enough or number * len(latent) * latents**2 > MOST_WORK:
            break
        mixture = fit_mixture(latent, number, seed)
        gain = mixture.log_prob(held_out) - best.log_prob(held_out)  # (B',) nats
        error = gain.std() / len(gain) ** 0.5 if len(gain) > 1 else gain.abs().squeeze()
        if gain.mean() > error:
            best = mixture
        elif gain.mean() < -error:  # once more components overfit, more still do so worse
            break
    return best


def some(latent: Tensor, most: int, seed: int) -> Tensor:
    """Up to `most` of the latents, at random."""
    return latent[torch.randperm(len(latent), generator=torch.Generator().manual_seed(seed))[:most]]


def _clustered(latent: Tensor, components: int, seed: int) -> Tensor:
    """(B,) cluster of each latent: k-means from centers far apart, as Arthur & Vassilvitskii (2007) choose them."""
    generator = torch.Generator().manual_seed(seed)
    centers = latent[torch.randint(len(latent), (1,), generator=generator)]
    apart = torch.cdist(latent, centers)[:, 0].square()
    for _ in range(components - 1):
        which = torch.multinomial(apart.clamp_min(1e-12), 1, generator=generator)
        centers = torch.cat((centers, latent[which]))
        apart = torch.minimum(apart, (latent - latent[which]).square().sum(1))
    for _ in range(CLUSTERED):
        nearest = torch.cdist(latent, centers).argmin(1)
        sizes = torch.bincount(nearest, minlength=components).unsqueeze(1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, latent)
        centers = torch.where(sizes > 0, sums / sizes.clamp_min(1), centers)
    return torch.cdist(latent, centers).argmin(1)


def _features(latent: Tensor) -> Tensor:
    """(B, ½K(K+1) + K + 1): the products z_i z_j with i ≤ j, the z_i, and 1."""
    row, column = torch.triu_indices(latent.shape[1], latent.shape[1])
    return torch.cat((latent[:, row] * latent[:, column], latent, latent.new_ones(len(latent), 1)), 1)


def _moments(latent: Tensor, responsibility: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (M,), means (M, K) and Cholesky factors (M, K, K) that responsibilities (B, M) give."""
    size, components = responsibility.shape
    latents = latent.shape[1]
    row, column = torch.triu_indices(latents, latents)
    sums = latent.new_zeros(components, len(row) + latents + 1)
    for part, share in zip(latent.split(ROWS), responsibility.split(ROWS), strict=True):
        sums += share.T @ _features(part)
    sums = sums / sums[:, -1:].clamp_min(1e-9)
    means = sums[:, -latents - 1 : -1]
    second = sums.new_zeros(components, latents, latents)
    second[:, row, column] = second[:, column, row] = sums[:, : len(row)]
    covariance = second - means.unsqueeze(2) * means.unsqueeze(1) + RIDGE * torch.eye(latents, dtype=latent.dtype)
    factors, failed = torch.linalg.cholesky_ex(covariance)
    factors[failed > 0] = math.sqrt(RIDGE) * torch.eye(latents, dtype=latent.dtype)
    weights = (responsibility.sum(0) / size).clamp_min(1e-12)
    return weights / weights.sum(), means, factors


def _responsibilities(latent: Tensor, weights: Tensor, means: Tensor, factors: Tensor) -> tuple[Tensor, float]:
    """(B, M) probability of each component given each latent, and the mean log likelihood in nats."""
    latents = latent.shape[1]
    row, column = torch.triu_indices(latents, latents)
    precision = torch.cholesky_inverse(factors)  # (M, K, K)
    tilt = (precision @ means.unsqueeze(2)).squeeze(2)
    level = weights.log() - 0.5 * (means * tilt).sum(1) - factors.diagonal(dim1=1, dim2=2).log().sum(1)
    level = level - 0.5 * latents * math.log(2 * math.pi)
    twice = torch.where(row == column, 0.5, 1.0)  # products of different latents stand for two
    table = torch.cat((-precision[:, row, column] * twice, tilt, level.unsqueeze(1)), 1)
    joint = torch.cat([_features(part) @ table.T for part in latent.split(ROWS)])
    total = joint.logsumexp(1, keepdim=True)
    return (joint - total).exp(), total.mean().item()
