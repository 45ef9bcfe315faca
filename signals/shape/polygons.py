"""Faces of any number of corners: read from OBJ and OFF files, and cut into triangles."""

from __future__ import annotations

__all__ = ["Polygons", "group_polygons", "read_obj", "read_off", "triangulate"]

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy
from numpy.typing import NDArray

Array = NDArray[numpy.float64]
Faces = NDArray[numpy.int64]
Polygons = list[Faces]
"""Indices of vertices (F, n), one array for each number n of corners."""
STRAIGHT = 1e-9  # of a face's size: less of a bend inwards is rounding


def triangulate(vertices: Array, polygons: Polygons) -> Faces:
    """(F', 3) triangles with the areas and directions of simple polygons, whether convex or not.

    Convex ones are cut from their first corner; others by ear clipping, in the plane of two axes to which they are
    closest to parallel.

    Args:
        vertices: (V, 3).
        polygons: their corners; those that name missing vertices are cut like convex ones.

    Example:
        >>> arrow = numpy.array([[0, 0, 0], [4, 0, 0], [4, 4, 0], [3, 1, 0.0]])
        >>> corners = arrow[triangulate(arrow, [numpy.array([[0, 1, 2, 3]])])]
        >>> bool(numpy.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2].min() > 0)
        True
    """
    from manifold3d import triangulate as clip_ears

    triangles = [numpy.empty((0, 3), numpy.int64)]
    for faces in polygons:
        fan = [[0, i, i + 1] for i in range(1, faces.shape[1] - 1)]
        known = ((faces >= 0) & (faces < len(vertices))).all(1) & (faces.shape[1] > 3)
        normals, concave = _shape(vertices[faces[known]])
        clipped = numpy.flatnonzero(known)[concave]
        triangles.append(numpy.delete(faces, clipped, 0)[:, fan].reshape(-1, 3))
        for face, normal in zip(faces[clipped], normals[concave], strict=True):
            axis = int(numpy.abs(normal).argmax())
            plane = [(1, 2), (2, 0), (0, 1)][axis][:: 1 if normal[axis] > 0 else -1]  # in which the corners go around
            flat = numpy.ascontiguousarray(vertices[face][:, plane])
            triangles.append(face[numpy.asarray(clip_ears([flat]), numpy.int64)])
    return numpy.concatenate(triangles)


def _shape(corners: Array) -> tuple[Array, NDArray[numpy.bool_]]:
    """Normals (F, 3) of polygons (F, n, 3), as long as twice their area, and which bend inwards somewhere (F,)."""
    sides = numpy.roll(corners, -1, 1) - corners
    spokes = corners - corners[:, :1]
    normals = numpy.cross(spokes, sides).sum(1)
    bends = numpy.cross(numpy.roll(sides, 1, 1), sides) @ normals[..., None]  # (F, n, 1)
    return normals, (bends[..., 0] < -STRAIGHT * numpy.square(normals).sum(1, keepdims=True)).any(1)


def group_polygons(faces: Iterable[Sequence[int]]) -> Polygons:
    """Faces by their number of corners; those with fewer than three are left out."""
    groups = defaultdict(list)
    for face in faces:
        groups[len(face)].append(face)
    return [numpy.array(group, numpy.int64) for corners, group in groups.items() if corners > 2]


def read_obj(content: bytes) -> tuple[Array, Polygons]:
    """Vertices and faces of an OBJ file, all groups together.

    Raises:
        ValueError: it is none.
    """
    vertices: list[list[bytes]] = []
    faces: list[list[int]] = []
    for line in content.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines():
        words = line.split()
        if words and words[0] == b"v":
            vertices.append(words[1:4])
        elif words and words[0] == b"f":
            corners = [int(word.partition(b"/")[0]) for word in words[1:] if not word.startswith(b"#")]
            # counted from 1, or by negative numbers back from here
            faces.append([c - 1 if c >= 0 else len(vertices) + c for c in corners])
    return numpy.array(vertices, dtype=numpy.float64).reshape(-1, 3), group_polygons(faces)


def read_off(content: bytes) -> tuple[Array, Polygons]:
    """Vertices and faces of a text OFF file, perhaps with colors.

    Raises:
        ValueError, IndexError: it is none.
    """
    rows = [row for line in content.decode("latin-1").splitlines() if (row := line.partition("#")[0].split())]
    if not rows[0][0].endswith("OFF"):
        raise ValueError(f"begins with {rows[0][0]!r}, not with OFF")
    rows = rows[1:] if len(rows[0]) == 1 else [rows[0][1:], *rows[1:]]
    count, num_faces = int(rows[0][0]), int(rows[0][1])
    if min(count, num_faces) < 0:
        raise ValueError(f"{count} vertices and {num_faces} faces are announced")
    if len(rows) < 1 + count + num_faces:
        raise ValueError(f"cut short: {count} vertices and {num_faces} faces are announced in {len(rows) - 1} lines")
    vertices = numpy.array([row[:3] for row in rows[1 : count + 1]], dtype=numpy.float64)
    faces = ([int(i) for i in row[1 : int(row[0]) + 1]] for row in rows[count + 1 : count + 1 + num_faces])
    return vertices.reshape(-1, 3), group_polygons(faces)
