"""Which way faces look: closed parts of a mesh are turned outwards, each by itself, and cavities inwards."""

from __future__ import annotations

__all__ = ["orient_parts"]

import numpy
from numpy.typing import NDArray

from signals.shape.polygons import Array, Faces

NUM_PROBES = 16  # vertices of a part at which it is decided whether others surround it
FLAT = 1e-12  # volume of a part with no inside, where the mesh is about 1 in size


def orient_parts(vertices: Array, faces: Faces) -> Faces:
    """The faces (F, 3) of which some are reversed, so that no closed part is inside out.

    A part is a surface whose edges have two faces each. If its faces do not agree, they are made to. If they look
    inwards and nothing is around the part, it is reversed with all that lies within it. If something is around it, it
    is a cavity and stays. Surfaces that are open, or of which edges have more than two faces, stay too.

    Args:
        vertices: (V, 3), about 1 in size.
        faces: (F, 3) indices of vertices.
    """
    faces = faces.copy()
    _orient(vertices, faces, faces, numpy.ones(len(faces), bool))
    return faces


def _orient(vertices: Array, faces: Faces, corners: Faces, undecided: NDArray[numpy.bool_]) -> None:
    """Turns the closed parts of undecided faces in place; `corners` are those by which faces share edges."""
    import igl

    proper = (corners != numpy.roll(corners, 1, 1)).all(1)
    numbers = numpy.flatnonzero(undecided & proper)
    numbers, part = _closed_parts(corners[numbers], numbers)
    if len(numbers):
        agreeing, _ = igl.bfs_orient(corners[numbers])
        wrong = numbers[(agreeing != corners[numbers]).any(1)]
        faces[wrong] = faces[wrong, ::-1]
        _turn_outwards(vertices, faces, numbers, part)
        undecided[numbers] = False
    if corners is faces and undecided.any():  # parts may not share vertices, but places of vertices
        places = numpy.unique(vertices, axis=0, return_inverse=True)[1].reshape(-1)
        _orient(vertices, faces, places[faces], undecided)


def _closed_parts(corners: Faces, numbers: NDArray[numpy.int64]) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64]]:
    """Numbers of the faces that belong to closed parts, and the part of each, from 0."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(corners):
        return numbers, numbers
    ends = numpy.stack([corners, numpy.roll(corners, -1, 1)], -1).reshape(-1, 2)  # (3F, 2)
    key = ends.min(1) * (int(corners.max()) + 1) + ends.max(1)
    _, edge, count = numpy.unique(key, return_inverse=True, return_counts=True)
    face = numpy.arange(len(ends)) // 3
    order = numpy.argsort(edge, kind="stable")
    order = order[count[edge[order]] == 2].reshape(-1, 2)
    links = coo_array((numpy.ones(len(order), bool), (face[order[:, 0]], face[order[:, 1]])), (len(corners),) * 2)
    total, part = connected_components(links, directed=False)
    closed = numpy.bincount(part, (count[edge].reshape(-1, 3) != 2).any(1), total) == 0
    chosen = closed[part]
    return numbers[chosen], numpy.unique(part[chosen], return_inverse=True)[1].reshape(-1)


def _turn_outwards(vertices: Array, faces: Faces, numbers: NDArray[numpy.int64], part: NDArray[numpy.int64]) -> None:
    """Reverses parts that look inwards and are no cavities, in place."""
    order = numpy.argsort(part, kind="stable")
    members = numpy.split(numbers[order], numpy.flatnonzero(numpy.diff(part[order])) + 1)  # faces of each part
    a, b, c = (vertices[faces[numbers, corner]] for corner in range(3))
    volume = numpy.bincount(part, (a * numpy.cross(b, c)).sum(1) / 6)
    parts = _Parts(vertices, faces, members)
    turned = numpy.ones(len(members))  # -1 for parts that are reversed
    for number in numpy.argsort(-numpy.linalg.norm(parts.high - parts.low, axis=1)):
        if volume[number] * turned[number] > -FLAT:
            continue
        around = [parts.winding(other, number) * turned[other] for other in parts.around(number)]
        if not around or numpy.sum(around, 0).min() < 0.5:  # reversed with all that lies within it
            within = [n for n in parts.within(number) if parts.winding(number, n).max() * turned[number] < -0.5]
            turned[[number, *within]] *= -1
    for number in numpy.flatnonzero(turned < 0):
        faces[members[number]] = faces[members[number], ::-1]


class _Parts:
    """Closed parts as they are read, and which may surround which.

    Attributes:
        low: (N, 3) lowest coordinates.
        high: (N, 3) highest coordinates.
    """

    def __init__(self, vertices: Array, faces: Faces, members: list[NDArray[numpy.int64]]) -> None:
        self.vertices, self.surfaces = vertices, [faces[member] for member in members]
        corners = [vertices[surface].reshape(-1, 3) for surface in self.surfaces]
        self.low, self.high = (
            numpy.array([reduce(points, 0) for points in corners]) for reduce in (numpy.min, numpy.max)
        )
        chosen = [numpy.linspace(0, len(points) - 1, NUM_PROBES).astype(int) for points in corners]
        self.probes = numpy.array([points[rows] for points, rows in zip(corners, chosen, strict=True)])
        self._windings: dict[int, dict[int, Array]] = {}

    def around(self, number: int) -> NDArray[numpy.int64]:
        """Parts whose boxes hold the box of a part."""
        held = (self.low <= self.low[number]).all(1) & (self.high >= self.high[number]).all(1)
        return numpy.flatnonzero(held & (numpy.arange(len(held)) != number))

    def within(self, number: int) -> NDArray[numpy.int64]:
        """Parts whose boxes lie in the box of a part."""
        held = (self.low >= self.low[number]).all(1) & (self.high <= self.high[number]).all(1)
        return numpy.flatnonzero(held & (numpy.arange(len(held)) != number))

    def winding(self, number: int, other: int) -> Array:
        """(16,) winding numbers of a part at vertices of another one in its box, computed for all such at once."""
        import igl

        if number not in self._windings:
            inside = self.within(number)
            points = numpy.ascontiguousarray(self.probes[inside].reshape(-1, 3))
            values = igl.fast_winding_number(self.vertices, self.surfaces[number], points)
            self._windings[number] = dict(zip(inside.tolist(), values.reshape(-1, NUM_PROBES), strict=True))
        return self._windings[number][other]
