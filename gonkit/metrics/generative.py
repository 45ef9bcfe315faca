"""Distances between a set of generated signals and a set of real ones."""

from __future__ import annotations

__all__ = [
    "coverage",
    "diversity",
    "frechet_distance",
    "minimum_matching_distance",
    "pairwise_chamfer",
    "pairwise_distance",
    "precision_recall",
]

import torch
from torch import Tensor

NUM_NEIGHBORS = 3  # k of precision and recall, as in their paper


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of the normals with the means and covariances of two sets, |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½).

    Dowson & Landau, The Fréchet Distance between Multivariate Normal Distributions (1982). It grows as sets get
    smaller: compare sets of the same size only.

    Args:
        a: (A, Q) features.
        b: (B, Q).

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
        >>> round(frechet_distance(x, x), 6), round(frechet_distance(x, x + 3), 6)
        (0.0, 18.0)
    """
    a, b = a.double(), b.double()
    between_means = (a.mean(0) - b.mean(0)).square().sum()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    root = _matrix_sqrt(cov_a)
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    return float((between_means + cov_a.trace() + cov_b.trace() - 2 * cross).clamp_min(0))


def precision_recall(real: Tensor, generated: Tensor, neighbors: int = NUM_NEIGHBORS) -> tuple[float, float]:
    """Share of generated signals in the region of the real ones, and of real ones in the region of the generated.

    The region of a set is the union of balls around its members, each up to the k-th nearest other member.
    Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models, arXiv 1904.06991.

    Args:
        real: (A, Q) features.
        generated: (B, Q).
        neighbors: k.
    """
    distances = pairwise_distance(generated, real)  # (B, A)
    precision = (distances <= _knn_radius(real, neighbors)).any(1)
    recall = (distances <= _knn_radius(generated, neighbors).unsqueeze(1)).any(0)
    return precision.float().mean().item(), recall.float().mean().item()


def diversity(features: Tensor) -> float:
    """Mean distance between two different members of a set (B, Q)."""
    size = len(features)
    return (pairwise_distance(features, features).sum() / max(size * (size - 1), 1)).item()


def pairwise_chamfer(a: Tensor, b: Tensor) -> Tensor:
    """Chamfer distances (A, B) between point clouds (A, P, D) and (B, P, D).

    The mean squared distance from each point to the nearest of the other cloud, in both directions, added.
    """

    def chamfer(cloud: Tensor, other: Tensor) -> Tensor:
        squares = pairwise_distance(cloud, other).square()  # (P, P)
        return squares.amin(0).mean() + squares.amin(1).mean()

    return torch.stack([torch.stack([chamfer(cloud, other) for other in b]) for cloud in a])


def pairwise_distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (..., A, B) between points (..., A, D) and (..., B, D), exactly 0 between equal points.

    By default `torch.cdist` expands |a − b|² to use a matrix product, which loses the distances of near points.

    Example:
        >>> x = 100 + torch.rand(50, 3)
        >>> pairwise_distance(x, x).diagonal().abs().max().item()
        0.0
    """
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def minimum_matching_distance(distances: Tensor) -> float:
    """Mean over real objects of the distance to the nearest generated one: Achlioptas et al., arXiv 1707.02392.

    Args:
        distances: (generated, real).
    """
    return distances.amin(0).mean().item()


def coverage(distances: Tensor) -> float:
    """Share of real objects that are the nearest one to some generated object: Achlioptas et al., arXiv 1707.02392.

    Args:
        distances: (generated, real).
    """
    return len(distances.argmin(1).unique()) / distances.shape[1]


def _matrix_sqrt(covariance: Tensor) -> Tensor:
    """The symmetric square root."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root


def _knn_radius(features: Tensor, neighbors: int) -> Tensor:
    """(B,) distance of each member to its k-th nearest other member."""
    nearest = pairwise_distance(features, features).topk(min(neighbors + 1, len(features)), largest=False)
    return nearest.values[:, -1]
