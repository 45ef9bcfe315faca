"""Paths through the latent space."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from gonkit.inference import Interpolation, analogy, class_means, interpolate, interpolate_path
from gonkit.inference.interpolation import slerp


def normal(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_paths_begin_and_end_at_their_waypoints() -> None:
    a, b = normal(2, 5)
    for kind in get_args(Interpolation):
        path = interpolate(a, b, 7, kind)
        torch.testing.assert_close(path[[0, -1]], torch.stack((a, b)))
    torch.testing.assert_close(interpolate(a, b, 3, "linear")[1], (a + b) / 2)
    waypoints = normal(4, 5, seed=1)
    path = interpolate_path(waypoints, 3)
    assert path.shape == (10, 5)
    torch.testing.assert_close(path[::3], waypoints)


def test_class_means_and_analogies() -> None:
    latent, label = torch.tensor([[0.0], [4.0], [2.0], [8.0]]), torch.tensor([3, 1, 3, 1])
    assert class_means(latent, label).tolist() == [[6.0], [1.0]]
    assert analogy(latent[0], latent[1], latent[3]).tolist() == [4.0]


def test_slerp_keeps_length_and_turns_evenly() -> None:
    a, b = torch.nn.functional.normalize(normal(12, 9).double().view(2, 6, 9), dim=-1)
    path = slerp(a, b, torch.linspace(0, 1, 5, dtype=torch.float64))
    assert path.shape == (6, 5, 9)
    torch.testing.assert_close(path[:, 0], a)
    torch.testing.assert_close(path[:, -1], b)
    torch.testing.assert_close(path.norm(dim=-1), torch.ones(6, 5, dtype=torch.float64))
    turns = (path[:, 1:] * path[:, :-1]).sum(-1).arccos()
    torch.testing.assert_close(turns, (a * b).sum(-1).arccos().unsqueeze(1).expand(-1, 4) / 4)


@pytest.mark.parametrize(
    ("a", "b", "middle"),
    [([2.0, 0.0], [2.0, 0.0], [2.0, 0.0]), ([1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]), ([0.0, 0.0], [4.0, 0.0], [2.0, 0.0])],
)
def test_without_a_unique_great_circle_the_path_is_straight(
    a: list[float], b: list[float], middle: list[float]
) -> None:
    path = slerp(torch.tensor(a), torch.tensor(b), torch.tensor([0.5]))
    torch.testing.assert_close(path[0], torch.tensor(middle))


def test_slerp_changes_length_evenly() -> None:
    path = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0]), torch.tensor([0.5]))
    assert path[0].norm().item() == pytest.approx(2.0)
    assert math.degrees(math.atan2(path[0, 1].item(), path[0, 0].item())) == pytest.approx(45.0)
