"""The built-in shapes: exact tests for what is inside, and exact meshes."""

from __future__ import annotations

import numpy
import pytest
import torch
import trimesh

from gonkit.data import Split
from signals.shape import Distance, Occupancy, inspect_mesh
from signals.shape.datasets import NUM_ENCODE_POINTS, SolidDataset
from signals.shape.mesh import normalize_mesh, sample_surface, signed_distance
from signals.shape.synthetic import CLASSES, make_solid

SOME = range(0, 90, 3), range(1, 90, 3), range(2, 90, 3)  # of each class


@pytest.mark.parametrize("numbers", SOME, ids=CLASSES)
def test_what_is_inside_is_what_the_mesh_encloses(numbers: range) -> None:
    generator = numpy.random.default_rng(0)
    for number in numbers:
        solid = make_solid(number)
        mesh = solid.mesh()
        surface, _ = sample_surface(mesh.vertices, mesh.faces, 1500, generator)
        near = surface + generator.choice([0.002, 0.02], (1500, 1)) * generator.standard_normal((1500, 3))
        points = numpy.concatenate([near, generator.uniform(-1, 1, (1500, 3))])
        distance, _ = signed_distance(mesh, points)
        clear = numpy.abs(distance) > 1e-6
        assert (solid.contains(points) == (distance < 0))[clear].all(), solid.name


@pytest.mark.parametrize("number", range(0, 240, 7))
def test_shapes_are_watertight_one_piece_and_always_the_same(number: int) -> None:
    solid = make_solid(number)
    mesh = solid.mesh()
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert whole.is_watertight, solid.name
    assert len(whole.split()) == 1, solid.name
    assert inspect_mesh(mesh).advice == ""
    assert (make_solid(number).mesh().vertices == mesh.vertices).all()
    normal = normalize_mesh(mesh.vertices, mesh.faces, solid.name)  # it is normalized already
    assert normal.vertices == pytest.approx(mesh.vertices, abs=1e-9)
    assert mesh.normalization.center == pytest.approx(solid.normalization.center, abs=1e-6)
    assert mesh.normalization.scale == pytest.approx(solid.normalization.scale, rel=1e-6)


def test_half_of_the_points_are_near_a_visible_surface() -> None:
    for number in range(9):
        solid = make_solid(number)
        points, inside = solid.sample_points(4000, numpy.random.default_rng(0))
        distance, _ = signed_distance(solid.mesh(), points)
        assert (inside == (distance < 0)).all()
        near = numpy.abs(distance) < 0.15  # three standard deviations
        uniform, _ = signed_distance(solid.mesh(), numpy.random.default_rng(1).uniform(-1, 1, (4000, 3)))
        assert near.mean() == pytest.approx((1 + (numpy.abs(uniform) < 0.15).mean()) / 2, abs=0.03), solid.name
        assert near[:2000].mean() == pytest.approx(near[2000:].mean(), abs=0.06)  # shuffled
