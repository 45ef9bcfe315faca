"""Gaussian mixtures by expectation maximization; the number of components is chosen by held-out likelihood.

Dempster, Laird & Rubin, Maximum Likelihood from Incomplete Data via the EM Algorithm (1977).
"""

from __future__ import annotations

__all__ = ["MAX_LATENTS", "fit_gaussian_mixture", "random_subset", "select_gaussian_mixture"]

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gonkit.priors.gaussian import GaussianMixture, fit_gaussian

COMPONENTS = (2, 5, 10, 20, 50, 100, 200)
MAX_LATENTS = 60_000  # to which a mixture is fitted
MAX_WORK = 1.3e10  # latents × components × K²: larger mixtures would take too long
MIN_PER_COMPONENT = 20  # latents, and no fewer than K; fewer give covariances of low rank
KMEANS_ITERATIONS = 5
CLUSTERED_PER_COMPONENT = 100  # latents from which the initial clusters are found
MAX_PASSES = 40
TOLERANCE = 0.1  # nats per latent: a smaller gain in a pass ends the fit
RIDGE = 1e-4  # of the latents' variance in every direction, added to every covariance
MAX_BATCH_SIZE = 4096  # latents after which components are updated
MIN_BATCHES = 16  # in a pass


def fit_gaussian_mixture(latent: Tensor, components: int, seed: int = 0) -> GaussianMixture:
    """A mixture of normal distributions with full covariances.

    The log density of a normal distribution is linear in the products z_i z_j, the z_i and 1. Both steps of expectation
    maximization are therefore products of one matrix with those features: (B, ½K(K+1) + K + 1) by M for the
    responsibilities, and back for the moments. Components are updated after every batch of latents, whose moments
    replace those that it had before, which needs a quarter of the passes. Neal & Hinton, A View of the EM Algorithm
    that Justifies Incremental, Sparse, and other Variants (1998).

    Args:
        latent: (B, K).
        components: M, at most B.
        seed: of the initial clusters and the batches.
    """
    latent = random_subset(latent.double().cpu(), len(latent), seed)
    whitening = fit_gaussian(latent)
    batch_size = min(MAX_BATCH_SIZE, math.ceil(len(latent) / MIN_BATCHES))
    batches = whitening.whiten(latent).float().split(batch_size)
    clusters = _cluster(latent, components, seed).split(batch_size)
    moments = [  # (M, ½K(K+1) + K + 1) of each batch: sums of features, weighted by responsibilities
        one_hot(cluster, components).float().T @ _features(batch)
        for cluster, batch in zip(clusters, batches, strict=True)
    ]
    total = torch.stack(moments).double().sum(0)
    previous = -math.inf
    for _ in range(MAX_PASSES):
        likelihood = 0.0
        for i, batch in enumerate(batches):
            features = _features(batch)
            joint = features @ _coefficients(*_m_step(total)).float().T  # (B, M) log of weight times density
            log_density = joint.logsumexp(1, keepdim=True)
            own = (joint - log_density).exp().T @ features
            total += own.double() - moments[i].double()
            moments[i] = own
            likelihood += log_density.double().sum().item() / len(latent)
        if likelihood - previous < TOLERANCE:
            break
        previous = likelihood
    weights, means, factors = _m_step(total)
    factor = whitening.scale_tril[0].double()
    means = means @ factor.T + whitening.means[0].double()
    return GaussianMixture(weights.float(), means.float(), (factor @ factors).float())


def select_gaussian_mixture(latent: Tensor, held_out: Tensor, seed: int = 0) -> GaussianMixture:
    """The mixture with the number of components for which held-out latents are most likely.

    Tries more components (2, 5, 10, 20, 50, 100, 200) as long as there are enough latents for each and the fit does not
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


def _cluster(latent: Tensor, clusters: int, seed: int) -> Tensor:
    """(B,) cluster of each latent, by k-means on the first of them, from the initial centers of k-means++.

    Arthur & Vassilvitskii, k-means++: The Advantages of Careful Seeding (2007).
    """
    scaled = ((latent - latent.mean(0)) / latent.std(0, correction=0).mean().clamp_min(1e-12)).float()
    some = scaled[: CLUSTERED_PER_COMPONENT * clusters]
    generator = torch.Generator().manual_seed(seed)
    centers = some[torch.randint(len(some), (1,), generator=generator)]
    squares = (some - centers).square().sum(1)  # (B,) to the nearest center
    for _ in range(clusters - 1):
        index = torch.multinomial(squares.clamp_min(1e-12), 1, generator=generator)
        centers = torch.cat((centers, some[index]))
        squares = torch.minimum(squares, (some - some[index]).square().sum(1))
    for _ in range(KMEANS_ITERATIONS):
        nearest = _nearest(some, centers)
        sizes = torch.bincount(nearest, minlength=clusters).unsqueeze(1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, some)
        centers = torch.where(sizes > 0, sums / sizes.clamp_min(1), centers)
    return torch.cat([_nearest(part, centers) for part in scaled.split(MAX_BATCH_SIZE)])


def _nearest(latent: Tensor, centers: Tensor) -> Tensor:
    """(B,) index of the nearest center; without the matrix product that makes equal distances differ."""
    return torch.cdist(latent, centers, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)


def _features(latent: Tensor) -> Tensor:
    """(B, ½K(K+1) + K + 1): the products z_i z_j with i ≤ j, the z_i, and 1."""
    row, column = torch.triu_indices(latent.shape[1], latent.shape[1])
    return torch.cat((latent[:, row] * latent[:, column], latent, latent.new_ones(len(latent), 1)), 1)


def _m_step(moments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (M,), means (M, K) and Cholesky factors (M, K, K) of components with moments (M, ½K(K+1) + K + 1)."""
    dim = (math.isqrt(1 + 8 * moments.shape[1]) - 3) // 2
    row, column = torch.triu_indices(dim, dim)
    sizes = moments[:, -1]
    mean_features = moments / sizes.clamp_min(1e-9).unsqueeze(1)
    means = mean_features[:, -dim - 1 : -1]
    second = moments.new_zeros(len(moments), dim, dim)
    second[:, row, column] = second[:, column, row] = mean_features[:, : len(row)]
    covariance = second - means.unsqueeze(2) * means.unsqueeze(1) + RIDGE * torch.eye(dim, dtype=moments.dtype)
    factors, failed = torch.linalg.cholesky_ex(covariance)
    factors[failed > 0] = math.sqrt(RIDGE) * torch.eye(dim, dtype=moments.dtype)
    weights = (sizes / sizes.sum()).clamp_min(1e-12)
    return weights / weights.sum(), means, factors


def _coefficients(weights: Tensor, means: Tensor, factors: Tensor) -> Tensor:
    """(M, ½K(K+1) + K + 1): log of weight times density of every component, as a linear function of the features."""
    dim = means.shape[1]
    row, column = torch.triu_indices(dim, dim)
    precision = torch.cholesky_inverse(factors)  # (M, K, K)
    linear = (precision @ means.unsqueeze(2)).squeeze(2)  # (M, K) coefficients of the z_i
    constant = weights.log() - 0.5 * (means * linear).sum(1) - factors.diagonal(dim1=1, dim2=2).log().sum(1)
    constant = constant - 0.5 * dim * math.log(2 * math.pi)
    multiplicity = torch.where(row == column, 0.5, 1.0)  # z_i z_j also stands for z_j z_i
    return torch.cat((-precision[:, row, column] * multiplicity, linear, constant.unsqueeze(1)), 1)
