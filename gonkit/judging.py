"""How far a set of made signals is from a set of real ones."""

from __future__ import annotations

__all__ = [
    "coverage",
    "diversity",
    "frechet_distance",
    "minimum_matching_distance",
    "precision_recall",
    "set_distances",
]

import torch
from torch import Tensor

NEIGHBORS = 3  # k of precision and recall, as in their paper


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Between the normals with the means and covariances of two sets, |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½).

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
    apart = (a.mean(0) - b.mean(0)).square().sum()
    one, two = torch.cov(a.T), torch.cov(b.T)
    root = _root(one)
    cross = torch.linalg.eigvalsh(root @ two @ root).clamp_min(0).sqrt().sum()
    return float((apart + one.trace() + two.trace() - 2 * cross).clamp_min(0))


def precision_recall(real: Tensor, made: Tensor, neighbors: int = NEIGHBORS) -> tuple[float, float]:
    """Share of made signals that lie where real ones do, and of real ones that lie where made ones do.

    A set lies within the balls about its members that reach to the k-th nearest other member. Kynkäänniemi et al.,
    Improved Precision and Recall Metric for Assessing Generative Models, arXiv 1904.06991.

    Args:
        real: (A, Q) features.
        made: (B, Q).
        neighbors: k.
    """
    between = torch.cdist(made, real)  # (B, A)
    precision = (between <= _reach(real, neighbors)).any(1)
    recall = (_reach(made, neighbors) >= between.T).any(1)
    return precision.float().mean().item(), recall.float().mean().item()


def diversity(features: Tensor) -> float:
    """Mean distance between two members of a set (B, Q)."""
    size = len(features)
    return (torch.cdist(features, features).sum() / max(size * (size - 1), 1)).item()


def set_distances(a: Tensor, b: Tensor) -> Tensor:
    """Chamfer distances (A, B) between sets of points (A, P, D) and (B, P, D).

    The mean squared distance from each point to the other set's nearest, the two directions added.
    """
    rows = []
    for one in a:
        apart = torch.cdist(one.expand(len(b), -1, -1), b).square()  # (B, P, P)
        rows.append(apart.amin(2).mean(1) + apart.amin(1).mean(1))
    return torch.stack(rows)


def minimum_matching_distance(distances: Tensor) -> float:
    """Mean over real objects of the distance to the nearest made one: Achlioptas et al., arXiv 1707.02392.

    Args:
        distances: (made, real).
    """
    return distances.amin(0).mean().item()


def coverage(distances: Tensor) -> float:
    """Share of real objects that are the nearest to some made one: Achlioptas et al., arXiv 1707.02392.

    Args:
        distances: (made, real).
    """
    return len(distances.argmin(1).unique()) / distances.shape[1]


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root


def _reach(features: Tensor, neighbors: int) -> Tensor:
    """(B,) distance of each member to its k-th nearest other one."""
    nearest = torch.cdist(features, features).topk(min(neighbors + 1, len(features)), largest=False)
    return nearest.values[:, -1]
