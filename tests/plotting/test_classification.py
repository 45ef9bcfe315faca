"""Charts of a classifier."""

from __future__ import annotations

import numpy
import pytest
import torch
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from gonkit.plotting import draw_confusion_matrix, draw_latent_plane
from gonkit.plotting.canvas import COLORS
from tests.plotting.pixels import has_color


def test_a_confusion_matrix_shades_cells_by_their_share_of_the_row() -> None:
    counts = torch.tensor([[50, 0], [25, 25]])
    picture = draw_confusion_matrix(counts, ("yes", "a name that is far too long"))
    whole, half = (has_color(picture, colormaps["Blues"](share)).sum() for share in (1.0, 0.5))
    assert whole > 1000
    assert 1.8 < half / whole < 2.2  # two cells of half a row, one of a whole row, with numbers on them


@pytest.mark.parametrize(("row", "column"), [(0, 2), (2, 0), (1, 1)])
def test_true_classes_are_rows_from_the_top_and_predicted_ones_columns(row: int, column: int) -> None:
    counts = torch.zeros(3, 3, dtype=torch.int64)
    counts[row, column] = 10
    picture = draw_confusion_matrix(counts, ("a", "b", "c"))
    dark, light = (has_color(picture, colormaps["Blues"](share)).nonzero() for share in (1.0, 0.0))
    for axis, expected in ((0, row), (1, column)):
        low, high = numpy.quantile(light[axis], [0.05, 0.95])  # of eight cells, and a little of the color bar
        position = (numpy.median(dark[axis]) - low) / (high - low)
        assert int(3 * position) == expected


@pytest.mark.parametrize("count", [2, 10, 101])
def test_confusion_matrices_of_any_number_of_classes_are_drawn(count: int) -> None:
    picture = draw_confusion_matrix(torch.eye(count, dtype=torch.int64) * 5, [f"class {i}" for i in range(count)])
    assert picture.mode == "RGB"
    assert 200 < picture.height < picture.width < 2000
    assert has_color(picture, colormaps["Blues"](1.0)).sum() > 40 * count


def test_a_plane_of_latents_has_the_colors_of_the_predicted_classes() -> None:
    latent = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(20, 1)
    label = torch.tensor([0, 1]).repeat(20)
    picture = draw_latent_plane(latent, label, ("right", "left"), lambda points: (points[:, 0] < 0).long())
    regions = [has_color(picture, tuple(1 - 0.25 * (1 - part) for part in to_rgb(color))) for color in COLORS[:2]]
    columns = [region.nonzero()[1] for region in regions]
    assert len(columns[0]) > 10_000
    assert len(columns[1]) > 10_000
    assert columns[0].min() >= columns[1].max()  # the right half is predicted to be of the first class


def test_points_have_the_colors_and_places_of_their_true_classes() -> None:
    latent = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]).repeat(20, 1)
    label = torch.tensor([0, 1]).repeat(20)
    names = ("up", "down", "other")
    picture = draw_latent_plane(latent, label, names, lambda points: torch.full((len(points),), 2))
    region = has_color(picture, tuple(1 - 0.25 * (1 - part) for part in to_rgb(COLORS[2]))).nonzero()
    (top, left), (bottom, right) = ([axis.min() for axis in region], [axis.max() for axis in region])
    (high, low) = (has_color(picture, color)[top:bottom, left:right].nonzero() for color in COLORS[:2])
    height, width = bottom - top, right - left
    assert high[0].size > 3 < low[0].size
    assert high[0].max() < height / 2 < low[0].min()
    assert low[1].max() < width / 2 < high[1].min()
