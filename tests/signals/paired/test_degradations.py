"""Signals between their grid points, and sources made from targets."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from gonkit.data import Grid
from gonkit.errors import GonkitError
from signals.audio import Audio
from signals.image import Image
from signals.paired import degrade, interpolate_grid
from tests.signals.paired.conftest import EIGHT, FOUR

INDEX = torch.arange(5)


def test_pictures_are_interpolated_bicubically_and_exact_at_their_own_points() -> None:
    values = FOUR.dataset("test").batch(torch.arange(3)).values
    grid = FOUR.grid()
    torch.testing.assert_close(interpolate_grid(values, grid, grid.coords), values, atol=1e-5, rtol=0)
    expected = functional.interpolate(values.view(3, 1, 4, 4), (8, 8), mode="bicubic", align_corners=False)
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[3:5, 3:5] = True  # where all sixteen neighbors exist
    interpolated = interpolate_grid(values, grid, EIGHT.grid().coords).view(3, 8, 8)
    torch.testing.assert_close(interpolated[:, inside], expected[:, 0][:, inside], atol=1e-5, rtol=0)


def test_sounds_are_interpolated_linearly_and_exact_at_their_own_points() -> None:
    signal = Audio(data="notes", length=100)
    clips = signal.dataset("test").batch(torch.arange(2)).values
    grid = signal.grid()
    torch.testing.assert_close(interpolate_grid(clips, grid, grid.coords), clips, atol=1e-4, rtol=0)
    later = interpolate_grid(clips, grid, grid.coords + 1 / 100)  # by half a sample
    torch.testing.assert_close(later[:, :-1], (clips[:, :-1] + clips[:, 1:]) / 2, atol=1e-4, rtol=0)


def test_volumes_are_interpolated_linearly() -> None:
    grid, fine = Grid.corners(5, 4, 3), Grid.corners(9, 7, 5)
    slopes = torch.tensor([1.0, -2.0, 0.5])
    values = (grid.coords @ slopes).view(1, -1, 1)
    torch.testing.assert_close(
        interpolate_grid(values, grid, fine.coords), (fine.coords @ slopes).view(1, -1, 1), atol=1e-5, rtol=0
    )


def test_neighbors_are_those_of_the_grid() -> None:
    values = EIGHT.dataset("test").batch(torch.arange(2)).values
    grid = EIGHT.grid()
    neighbors = interpolate_grid(values, grid, grid.coords, reach=1).view(2, 8, 8, 9)
    padded = functional.pad(values.view(2, 1, 8, 8), (1, 1, 1, 1), mode="replicate")[:, 0]
    for number, (down, right) in enumerate((i, j) for i in range(3) for j in range(3)):
        shifted = padded[:, down : down + 8, right : right + 8]
        torch.testing.assert_close(neighbors[..., number], shifted, atol=1e-5, rtol=0)


def test_reduced_sources_are_means_of_pixels() -> None:
    targets = EIGHT.dataset("test").batch(INDEX)
    sources = degrade(EIGHT, FOUR, "reduced", targets, INDEX)
    expected = functional.avg_pool2d(targets.values.view(5, 8, 8), 2)
    torch.testing.assert_close(sources.values.view(5, 4, 4), expected)
    assert torch.equal(sources.coords, FOUR.grid().coords)
    with pytest.raises(GonkitError, match=r"a grid of \(16, 16\) cannot be made of the target's \(8, 8\)"):
        degrade(EIGHT, Image(data="digits", size=16), "reduced", targets, INDEX)


def test_noise_has_the_given_strength_and_belongs_to_the_signal() -> None:
    targets = EIGHT.dataset("test").batch(INDEX)
    first, second = (degrade(EIGHT, EIGHT, "noisy", targets, INDEX, noise=0.3).values for _ in range(2))
    assert (first - targets.values).std() == pytest.approx(0.3, rel=0.15)
    assert torch.equal(first, second)
    alone = degrade(EIGHT, EIGHT, "noisy", targets[3:4], INDEX[3:4], noise=0.3).values
    torch.testing.assert_close(alone, first[3:4])


def test_masked_sources_have_a_box_of_zeros() -> None:
    targets = EIGHT.dataset("test").batch(INDEX)
    sources = degrade(EIGHT, EIGHT, "masked", targets, INDEX, hidden=0.5).values
    hidden = (sources != targets.values).view(5, 8, 8)
    assert (sources[hidden.flatten(1)] == 0).all()
    assert hidden.any()
    for axis in (1, 2):
        assert (hidden.any(axis).sum(1) <= 4).all()


def test_edges_are_magnitudes_of_gradients() -> None:
    targets = EIGHT.dataset("test").batch(INDEX)
    edges = degrade(EIGHT, EIGHT, "edges", targets, INDEX).values.view(5, 8, 8)
    down, right = torch.gradient(targets.values.view(5, 8, 8), dim=(1, 2))
    torch.testing.assert_close(edges, (down.square() + right.square()).sqrt())


def test_colors_become_gray_by_their_luma() -> None:
    color, gray = Image(data="photos"), Image(data="photos", color="gray")
    photos = color.dataset("test").batch(torch.arange(2))
    expected = photos.values @ torch.tensor([[0.299], [0.587], [0.114]])
    torch.testing.assert_close(degrade(color, gray, "reduced", photos, torch.arange(2)).values, expected)
