"""Paths through the latent space."""

from __future__ import annotations

import math

import pytest
import torch

from gonkit.errors import GonkitError
from gonkit.inference import analogy, class_means, interpolate, interpolate_path
from gonkit.inference.interpolation import slerp
from gonkit.priors import GaussianMixture, fit_gaussian, standard_normal

CENTER = torch.tensor([0.0, 6.0, 0.0, 0.0, 0.0])


def normal(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def ring() -> GaussianMixture:
    """Twelve normals on a circle of radius 4 about (0, 6) in the first two of five dimensions; the middle is empty."""
    angle = torch.arange(12) * math.pi / 6
    means = torch.stack((angle.cos(), angle.sin(), *torch.zeros(3, 12)), 1) * 4 + CENTER
    return GaussianMixture(torch.full((12,), 1 / 12), means, 0.5 * torch.eye(5).expand(12, 5, 5))


def test_paths_begin_and_end_at_their_waypoints() -> None:
    a, b = normal(2, 5)
    for path in (interpolate(a, b, 7), interpolate(a, b, 7, "linear"), interpolate(a, b, 7, "density", ring())):
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


def test_a_density_path_goes_around_an_empty_region() -> None:
    prior = ring()
    a, b = prior.means[0] + 0.1, prior.means[5] - 0.1
    path = interpolate(a, b, 9, "density", prior)
    lowest = {kind: prior.log_prob(interpolate(a, b, 9, kind)).min() for kind in ("linear", "slerp")}
    assert prior.log_prob(path).min() > max(lowest.values()) + 5
    assert ((path - CENTER)[:, :2].norm(dim=1) - 4).abs().max() < 0.8
    lengths = path.diff(dim=0).norm(dim=1)
    assert lengths.max() < 1.1 * lengths.min()
    assert torch.equal(path, interpolate(a, b, 9, "density", prior))
    assert torch.equal(path[[0, -1]], torch.stack((a, b)))


def test_density_paths_of_many_pairs_and_of_waypoints() -> None:
    prior, waypoints = ring(), ring().means[[0, 2, 4, 4]].double()
    paths = interpolate(waypoints[:-1], waypoints[1:], 4, "density", prior)
    assert paths.shape == (3, 4, 5)
    assert paths.dtype == torch.float64
    assert (paths[2] - waypoints[3]).norm(dim=1).max() < 0.1  # from a latent to itself
    torch.testing.assert_close(interpolate_path(waypoints, 3, "density", prior)[:3].float(), paths[0, :3].float())


def test_between_clusters_that_no_neighbors_connect_a_density_path_is_short() -> None:
    means = torch.tensor([[-50.0, 0.0], [50.0, 0.0]])
    prior = GaussianMixture(torch.full((2,), 0.5), means, torch.eye(2).expand(2, 2, 2))
    path = interpolate(means[0], means[1], 5, "density", prior)
    assert path[:, 1].abs().max() < 1
    assert path[:, 0].diff().min() > 0


def test_along_one_normal_a_density_path_is_a_line_drawn_towards_its_center() -> None:
    a, b = torch.tensor([2.0, 1.0]), torch.tensor([-2.0, 1.0])
    path = interpolate(a, b, 5, "density", standard_normal(2))
    assert 0 < path[2, 1] < 1
    with pytest.raises(GonkitError, match=r'pass prior=model\.prior, or choose "slerp"'):
        interpolate(a, b, 5, "density")


def test_a_density_that_is_too_thin_for_a_path_is_refused() -> None:
    latent = torch.cat((normal(30, 4), torch.zeros(30, 1)), 1)
    with pytest.raises(GonkitError, match="fitted to too few latents"):
        interpolate(latent[0], latent[1] + 0.1, 4, "density", fit_gaussian(latent))
