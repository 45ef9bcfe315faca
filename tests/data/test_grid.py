"""Regular grids of sample points."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gonkit.data import Grid
from gonkit.errors import GonkitError


def test_centers_fill_the_interval_and_corners_reach_its_ends() -> None:
    assert Grid.centers(4).coords[:, 0].tolist() == [-0.75, -0.25, 0.25, 0.75]
    torch.testing.assert_close(Grid.corners(5).coords[:, 0], torch.tensor([-1, -0.5, 0, 0.5, 1]))
    torch.testing.assert_close(Grid.centers(28, 28).coords.mean(0), torch.zeros(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("make", [Grid.centers, Grid.corners])
def test_the_last_axis_is_fastest(make: Callable[..., Grid]) -> None:
    grid = make(2, 3, 4)
    assert (grid.shape, grid.dim, len(grid)) == ((2, 3, 4), 3, 24)
    dense = grid.coords.view(2, 3, 4, 3)
    for axis, count in enumerate(grid.shape):
        line = make(count).coords[:, 0]
        assert torch.equal(dense[..., axis], line.view([-1 if a == axis else 1 for a in range(3)]).expand(2, 3, 4))


def test_values_become_the_grid_s_shape() -> None:
    values = torch.arange(2 * 6 * 3).view(2, 6, 3)
    dense = Grid.centers(2, 3).unflatten(values)
    assert dense.shape == (2, 2, 3, 3)
    assert torch.equal(dense[:, 1, 2], values[:, 5])
    assert Grid.centers(2, 3).unflatten(values[0]).shape == (2, 3, 3)


@pytest.mark.parametrize("make", [Grid.centers, Grid.corners])
def test_spacing_is_the_distance_between_neighbors(make: Callable[..., Grid]) -> None:
    spacing = make(2, 5).spacing
    expected = [2 / 2, 2 / 5] if make == Grid.centers else [2 / 1, 2 / 4]
    torch.testing.assert_close(spacing, torch.tensor(expected))


def test_points_without_rows_have_one_axis() -> None:
    grid = Grid(torch.rand(7, 3), (7,))
    assert grid.dim == 3
    assert grid.unflatten(torch.zeros(2, 7, 1)).shape == (2, 7, 1)


def test_coords_that_do_not_fit_the_shape_are_refused() -> None:
    with pytest.raises(GonkitError, match=r"a grid of shape \(2, 3\) needs coords \(6, D\); got \(5, 2\)"):
        Grid(torch.zeros(5, 2), (2, 3))
    with pytest.raises(GonkitError, match=r"needs coords \(6, D\); got \(6,\)"):
        Grid(torch.zeros(6), (2, 3))
