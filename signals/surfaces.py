"""How near a surface is to the one it should be."""

from __future__ import annotations

__all__ = ["compare_surfaces"]

from collections.abc import Sequence

import numpy

from signals.meshes import Array, Mesh
from signals.points import on_surface
from signals.surface import Surface

COUNT = 30_000  # points on each surface
NEAR = 0.01  # of the frame's side, 2, that counts as near in the F-score


def compare_surfaces(pairs: Sequence[tuple[Surface, Mesh]]) -> dict[str, float]:
    """Means over pairs of a reconstruction and its original, in units of the frame, whose side is 2.

    Points are spread over each surface and held against the other itself, not against points on it, so that equal
    surfaces have no distance.

    Returns:
        `chamfer_l1`, mean distance to the other surface, both ways averaged; `chamfer_l2`, the same of squared
        distances; `f_score`, harmonic mean of the shares within 0.02 of the other; `normals`, mean |cosine| between
        the normals of a point and of the nearest one of the other; `empty`, share of reconstructions without a
        surface, which the others leave out.
    """
    found = [_compare(surface, mesh) for surface, mesh in pairs if len(surface.faces)]
    empty = 1 - len(found) / max(len(pairs), 1)
    if not found:
        return {"empty": empty}
    return {name: float(numpy.mean([one[name] for one in found])) for name in found[0]} | {"empty": empty}


def _compare(surface: Surface, mesh: Mesh) -> dict[str, float]:
    generator = numpy.random.default_rng(0)
    own = Mesh(surface.vertices, surface.faces, mesh.frame)
    (there, alike), (back, alike_back) = (_apart(a, b, generator) for a, b in ((own, mesh), (mesh, own)))
    precise, complete = (float((squared <= (2 * NEAR) ** 2).mean()) for squared in (there, back))
    return {
        "chamfer_l1": float(numpy.sqrt(there).mean() + numpy.sqrt(back).mean()) / 2,
        "chamfer_l2": float(there.mean() + back.mean()) / 2,
        "f_score": 2 * precise * complete / max(precise + complete, 1e-12),
        "normals": (alike + alike_back) / 2,
    }


def _apart(a: Mesh, b: Mesh, generator: numpy.random.Generator) -> tuple[Array, float]:
    """Squared distances of points on `a` to `b`, (COUNT,), and how alike the normals are."""
    import igl

    points, normals = on_surface(a, COUNT, generator)
    squared, face, _ = igl.point_mesh_squared_distance(points, b.vertices, b.faces)
    corners = b.vertices[b.faces[face]]
    others = numpy.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = numpy.linalg.norm(others, axis=1).clip(1e-300)
    return squared, float(numpy.abs((normals * others).sum(1) / length).mean())
