"""Gaussian mixtures by expectation maximization; the number of components is chosen by held-out likelihood.

Dempster, Laird & Rubin, Maximum Likelihood from Incomplete Data via the EM Algorithm (1977).
"""

from __future__ import annotations

__all__ = ["MAX_LATENTS", "fit_gaussian_mixture", "random_subset", "select_gaussian_mixture"]

import math

import torch
from torch import Tensor

from gonkit.priors.gaussian import GaussianMixture, fit_gaussian

COMPONENTS = (2, 5, 10, 20, 50, 100)
MAX_LATENTS = 20_000  # to which a mixture is fitted
MAX_WORK = 3e9  # latents × components × K²: larger mixtures would take too long
MIN_PER_COMPONENT = 20  # latents, and no fewer than K; fewer give covariances of low rank
KMEANS_ITERATIONS = 5
EM_ITERATIONS = 40
TOLERANCE = 0.005  # nats per latent: a smaller gain in an iteration ends the fit
RIDGE = 1e-4  # of the latents' mean variance, added to every covariance
CHUNK_SIZE = 4096  # latents whose products are in memory at once


def fit_gaussian_mixture(latent: Tensor, components: int, seed: int = 0) -> GaussianMixture:
    """A mixture of normal distributions with full covariances.

    The log density of a normal distribution is linear in the products z_i z_j, the z_i and 1. Both steps of an
    iteration are therefore products of one matrix with those features: (B, ½K(K+1) + K + 1) by M for the
    responsibilities, and back for the moments.

    Args:
        latent: (B, K).
        components: M, at most B.
        seed: of the initial clusters.
    """
    latent = latent.double().cpu()
    center, scale = latent.mean(0), latent.std(0, correction=0).mean().clamp_min(1e-12)
    scaled = (latent - center) / scale
    responsibility = torch.nn.functional.one_hot(_kmeans(scaled, components, seed), components).double()
    previous = -math.inf
    for _ in range(EM_ITERATIONS):
        weights, means, factors = _m_step(scaled, responsibility)
        responsibility, likelihood = _e_step(scaled, weights, means, factors)
        if likelihood - previous < TOLERANCE:
            break
        previous = likelihood
    return GaussianMixture(weights.float(), (means * scale + center).float(), (factors * scale).float())


def select_gaussian_mixture(latent: Tensor, held_out: Tensor, seed: int = 0) -> GaussianMixture:
    """The mixture with the number of components for which held-out latents are most likely.

    Tries more components (2, 5, 10, 20, 50, 100) as long as there are enough latents for each and the fit does not
    take too long, and keeps a mixture if the held-out likelihood grows by more than a standard error of the paired
    difference.

    Args:
        latent: (B, K) of training signals.
        held_out: (B', K) of validation signals.
        seed: of the fit.
    """
    dim = latent.shape[1]
    latent = random_subset(latent, MAX_LATENTS, seed)
    best = fit_gaussian(latent)
    for components in COMPONENTS:
        enough = components * max(MIN_PER_COMPONENT, dim) <= len(latent)
        if not enough or components * len(latent) * dim**2 > MAX_WORK:
            break
        mixture = fit_gaussian_mixture(latent, components, seed)
        gain = mixture.log_prob(held_out) - best.log_prob(held_out)  # (B',) nats
        error = gain.std() / len(gain) ** 0.5 if len(gain) > 1 else gain.abs().squeeze()
        if gain.mean() > error:
            best = mixture
        elif gain.mean() < -error:  # once more components overfit, still more overfit worse
            break
    return best


def random_subset(latent: Tensor, size: int, seed: int) -> Tensor:
    """Up to `size` of the latents (B, K), in random order."""
    return latent[torch.randperm(len(latent), generator=torch.Generator().manual_seed(seed))[:size]]


def _kmeans(latent: Tensor, clusters: int, seed: int) -> Tensor:
    """(B,) cluster of each latent, from the initial centers of k-means++: Arthur & Vassilvitskii (2007)."""
    generator = torch.Generator().manual_seed(seed)
    centers = latent[torch.randint(len(latent), (1,), generator=generator)]
    squares = (latent - centers).square().sum(1)  # (B,) to the nearest center
    for _ in range(clusters - 1):
        index = torch.multinomial(squares.clamp_min(1e-12), 1, generator=generator)
        centers = torch.cat((centers, latent[index]))
        squares = torch.minimum(squares, (latent - latent[index]).square().sum(1))
    for _ in range(KMEANS_ITERATIONS):
        nearest = _nearest(latent, centers)
        sizes = torch.bincount(nearest, minlength=clusters).unsqueeze(1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, latent)
        centers = torch.where(sizes > 0, sums / sizes.clamp_min(1), centers)
    return _nearest(latent, centers)


def _nearest(latent: Tensor, centers: Tensor) -> Tensor:
    """(B,) index of the nearest center; without the matrix product that makes equal distances differ."""
    return torch.cdist(latent, centers, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)


def _features(latent: Tensor) -> Tensor:
    """(B, ½K(K+1) + K + 1): the products z_i z_j with i ≤ j, the z_i, and 1."""
    row, column = torch.triu_indices(latent.shape[1], latent.shape[1])
    return torch.cat((latent[:, row] * latent[:, column], latent, latent.new_ones(len(latent), 1)), 1)


def _m_step(latent: Tensor, responsibility: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (M,), means (M, K) and Cholesky factors (M, K, K) for responsibilities (B, M)."""
    size, components = responsibility.shape
    dim = latent.shape[1]
    row, column = torch.triu_indices(dim, dim)
    sums = latent.new_zeros(components, len(row) + dim + 1)
    for part, share in zip(latent.split(CHUNK_SIZE), responsibility.split(CHUNK_SIZE), strict=True):
        sums += share.T @ _features(part)
    sums = sums / sums[:, -1:].clamp_min(1e-9)
    means = sums[:, -dim - 1 : -1]
    second = sums.new_zeros(components, dim, dim)
    second[:, row, column] = second[:, column, row] = sums[:, : len(row)]
    covariance = second - means.unsqueeze(2) * means.unsqueeze(1) + RIDGE * torch.eye(dim, dtype=latent.dtype)
    factors, failed = torch.linalg.cholesky_ex(covariance)
    factors[failed > 0] = math.sqrt(RIDGE) * torch.eye(dim, dtype=latent.dtype)
    weights = (responsibility.sum(0) / size).clamp_min(1e-12)
    return weights / weights.sum(), means, factors


def _e_step(latent: Tensor, weights: Tensor, means: Tensor, factors: Tensor) -> tuple[Tensor, float]:
    """Responsibilities (B, M), the probability of each component for each latent; mean log likelihood in nats."""
    dim = latent.shape[1]
    row, column = torch.triu_indices(dim, dim)
    precision = torch.cholesky_inverse(factors)  # (M, K, K)
    linear = (precision @ means.unsqueeze(2)).squeeze(2)  # (M, K) coefficients of the z_i
    constant = weights.log() - 0.5 * (means * linear).sum(1) - factors.diagonal(dim1=1, dim2=2).log().sum(1)
    constant = constant - 0.5 * dim * math.log(2 * math.pi)
    multiplicity = torch.where(row == column, 0.5, 1.0)  # z_i z_j also stands for z_j z_i
    coefficients = torch.cat((-precision[:, row, column] * multiplicity, linear, constant.unsqueeze(1)), 1)
    joint = torch.cat([_features(part) @ coefficients.T for part in latent.split(CHUNK_SIZE)])
    total = joint.logsumexp(1, keepdim=True)
    return (joint - total).exp(), total.mean().item()
