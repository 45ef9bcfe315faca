"""Distances between a set of generated signals and a set of real ones."""

from __future__ import annotations

import numpy
import pytest
import torch

from gonkit.metrics import (
    coverage,
    diversity,
    frechet_distance,
    minimum_matching_distance,
    pairwise_chamfer,
    pairwise_distance,
    precision_recall,
)


def normal(count: int, size: int, seed: int) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def test_the_frechet_distance_is_its_formula() -> None:
    from scipy.linalg import sqrtm

    a, b = normal(200, 5, 0) @ normal(5, 5, 1), normal(300, 5, 2) @ normal(5, 5, 3) + 0.3
    cov_a, cov_b = torch.cov(a.double().T).numpy(), torch.cov(b.double().T).numpy()
    between_means = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    literal = between_means + numpy.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert abs(frechet_distance(a, b) - literal) < 1e-6 * literal
    assert abs(frechet_distance(a, b) - frechet_distance(b, a)) < 1e-6 * literal
    assert frechet_distance(a, a) < 1e-6


def test_the_frechet_distance_to_one_repeated_signal_is_finite() -> None:
    a = normal(100, 4, 0)
    distance = frechet_distance(a.mean(0).expand(100, -1), a)
    assert abs(distance - torch.cov(a.double().T).trace().item()) < 1e-4


def test_precision_falls_for_strays_and_recall_for_what_is_missing() -> None:
    real, same = normal(400, 3, 0), normal(400, 3, 1)
    precision, recall = precision_recall(real, same)
    assert min(precision, recall) > 0.9
    strays = torch.cat((same[:200], same[200:] + 100))
    precision, recall = precision_recall(real, strays)
    assert 0.4 < precision < 0.55
    half = same[same[:, 0] > 0]
    precision, recall = precision_recall(real, half)
    assert precision > 0.85
    assert recall < 0.75


def test_precision_and_recall_are_what_two_loops_give() -> None:
    real, generated = normal(30, 2, 0), 2 * normal(25, 2, 1)

    def within(points: torch.Tensor, others: torch.Tensor) -> float:
        radius = [sorted(float((o - p).norm()) for p in others)[3] for o in others]
        hits = [any(float((p - o).norm()) <= r for o, r in zip(others, radius, strict=True)) for p in points]
        return sum(hits) / len(hits)

    expected = (within(generated, real), within(real, generated))
    assert precision_recall(real, generated) == pytest.approx(expected, abs=1e-6)


def test_diversity_is_a_mean_over_pairs() -> None:
    assert diversity(torch.tensor([[0.0], [3.0], [6.0]])) == pytest.approx(4.0)


def test_distances_between_point_clouds() -> None:
    clouds = normal(4, 30, 0).view(4, 10, 3)
    distances = pairwise_chamfer(clouds, clouds)
    assert distances.diagonal().abs().max() < 1e-5
    moved = torch.tensor([[0.0, 0.0, 2.0]])
    assert pairwise_chamfer(torch.zeros(1, 1, 3), moved.view(1, 1, 3)).item() == pytest.approx(8.0)
    assert minimum_matching_distance(distances) < 1e-5
    assert coverage(distances) == 1.0
    assert coverage(distances[:1].expand(4, -1)) == 0.25


OFFSET = 100.0  # from the origin, where the matrix-product form of `torch.cdist` is wrong by 1e-2 and more


def near_points(count: int, seed: int) -> torch.Tensor:
    """Points (count, 3) in a cube of side 0.1 far from the origin."""
    return OFFSET + 0.1 * torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))


def exact_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(A, B) by differences in double precision."""
    return (a.double().unsqueeze(1) - b.double().unsqueeze(0)).square().sum(-1).sqrt()


def test_distances_of_near_points_far_from_the_origin_are_right() -> None:
    a, b = near_points(60, 0), near_points(80, 1)  # more than 25 points: torch.cdist would use a matrix product
    assert (pairwise_distance(a, b) - exact_distance(a, b)).abs().max() < 1e-5
    stacked = pairwise_distance(torch.stack([a, a + 1]), torch.stack([b, b + 1]))
    assert (stacked[1] - exact_distance(a + 1, b + 1)).abs().max() < 1e-5
    assert pairwise_distance(a, a).diagonal().tolist() == [0.0] * 60
    assert abs(diversity(a) - exact_distance(a, a).sum().item() / (60 * 59)) < 1e-5


def test_clouds_of_near_points_far_from_the_origin_are_compared_rightly() -> None:
    generated, real = near_points(3 * 50, 0).view(3, 50, 3), near_points(4 * 50, 1).view(4, 50, 3)
    generated[1] = real[2]
    squares = [[exact_distance(a, b).square() for b in real] for a in generated]
    expected = torch.tensor([[float(s.amin(0).mean() + s.amin(1).mean()) for s in row] for row in squares])
    distances = pairwise_chamfer(generated, real)
    assert (distances - expected).abs().max() < 1e-5
    assert distances[1, 2] == 0
    assert abs(minimum_matching_distance(distances) - expected.amin(0).mean().item()) < 1e-5
    assert coverage(distances) == len(set(expected.argmin(1).tolist())) / 4


def test_precision_and_recall_of_near_points_far_from_the_origin_are_right() -> None:
    real, generated = near_points(60, 0), 0.07 + near_points(50, 1)

    def within(points: torch.Tensor, others: torch.Tensor) -> float:
        radius = exact_distance(others, others).sort(1).values[:, 3]
        return (exact_distance(points, others) <= radius).any(1).float().mean().item()

    expected = (within(generated, real), within(real, generated))
    assert 0 < min(expected) < 1
    assert precision_recall(real, generated) == pytest.approx(expected, abs=1e-6)
