"""Surfaces extracted from fields."""

from __future__ import annotations

import numpy
import pytest
import torch
from torch import Tensor

from gonkit.errors import GonkitError
from signals.shape import extract_surface
from tests.signals.shape.conftest import wavy_ball


@pytest.mark.parametrize("cells", [32, 48, 64, 128])
def test_surfaces_are_closed_oriented_and_where_the_field_is_zero(cells: int) -> None:
    surface = extract_surface(wavy_ball, cells)
    mesh = surface.mesh()
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert wavy_ball(torch.from_numpy(surface.vertices).float()).abs().max() < 0.2 / cells
    assert numpy.linalg.norm(surface.normals, axis=1) == pytest.approx(1, abs=1e-5)
    assert ((mesh.face_normals * surface.normals[surface.faces].mean(1)).sum(1) > 0).mean() > 0.999


def test_coarse_to_fine_gives_the_dense_surface_for_a_fraction_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    num_points = 0

    def counted(points: Tensor) -> Tensor:
        nonlocal num_points
        num_points += len(points)
        return wavy_ball(points)

    sparse = extract_surface(counted, 128)
    assert sparse.evaluated < 0.15
    assert num_points <= sparse.evaluated * 129**3 + 6 * len(sparse.vertices) + 1  # and the normals
    monkeypatch.setattr("signals.shape.isosurface.COARSEST", 128)
    dense = extract_surface(wavy_ball, 128)
    assert dense.evaluated == 1
    assert (sparse.faces == dense.faces).all()
    assert sparse.vertices == pytest.approx(dense.vertices, abs=1e-5)


def test_a_shape_at_the_border_is_closed_there() -> None:
    mesh = extract_surface(lambda points: 1.2 - points.norm(dim=1), 32).mesh()
    assert mesh.is_watertight
    assert 0 < mesh.volume < 8


def test_values_on_the_level_make_no_faces_without_area() -> None:
    mesh = extract_surface(lambda points: 0.5 - points.abs().amax(1), 32).mesh()  # a cube whose sides are grid planes
    assert mesh.is_watertight
    assert mesh.area_faces.min() > 1e-12
    assert mesh.volume == pytest.approx(1 - 12 * (2 / 32) ** 2 / 2, abs=2e-3)  # its twelve edges are cut, half a cell


@pytest.mark.parametrize(("value", "side"), [(-3.0, "outside"), (3.0, "inside")])
def test_a_field_without_a_surface_is_reported(value: float, side: str) -> None:
    surface = extract_surface(lambda points: torch.full((len(points),), value), 16)
    with pytest.raises(GonkitError, match=rf"it runs from {value:.0f} to {value:.0f}, which is {side} everywhere"):
        surface.mesh()
