"""The built-in shapes."""

from __future__ import annotations

import pytest
import trimesh

from signals.shape import inspect_mesh
from signals.shape.synthetic import COUNT, make_shape, shape_name


@pytest.mark.parametrize("number", range(0, COUNT, 7))
def test_shapes_are_watertight_and_always_the_same(number: int) -> None:
    mesh = make_shape(number)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight, shape_name(number)
    assert solid.volume > 0.01
    assert inspect_mesh(mesh).advice == ""
    assert (make_shape(number).vertices == mesh.vertices).all()
