"""Constructive solid geometry of boxes and solids of revolution: exact inside tests and exact meshes."""

from __future__ import annotations

__all__ = ["Box", "Inside", "Part", "Revolved", "Solid"]

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
from numpy.typing import NDArray

from signals.shape.mesh import HALF_EXTENT, Array, Mesh, Normalization, normalize_mesh
from signals.shape.point_cache import NEAR_STD

Inside = NDArray[numpy.bool_]
"""(P,) which points are inside."""
SECTIONS = 48  # flat sides around the axis of a revolved part
SECTOR = 2 * numpy.pi / SECTIONS
CANDIDATES = 2  # points sampled on parts for each that is needed: some are hidden in other parts


class Part(ABC):
    """A convex or hollow piece of a solid."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[Array, Array]:
        """Lowest and highest coordinates, both (3,)."""

    @property
    @abstractmethod
    def area(self) -> float:
        """Of the surface."""

    @abstractmethod
    def contains(self, points: Array, radius: Array) -> Inside:
        """Which points (3, P) are inside; `radius` (P,) is their `polygon_radius`."""

    @abstractmethod
    def sample_surface(self, count: int, generator: numpy.random.Generator) -> Array:
        """Points (count, 3) distributed uniformly over the surface."""

    @abstractmethod
    def mesh(self) -> Any:
        """The part as a `trimesh.Trimesh`."""


@dataclass(frozen=True)
class Box(Part):
    """A box with sides along the axes.

    Attributes:
        size: (3,) lengths of the sides.
        base: (3,) center of the underside.
    """

    size: tuple[float, float, float]
    base: tuple[float, float, float]

    @property
    def bounds(self) -> tuple[Array, Array]:
        low = numpy.subtract(self.base, numpy.multiply(self.size, (0.5, 0, 0.5)))
        return low, low + self.size

    @property
    def area(self) -> float:
        return 2 * float(self._faces.sum())

    def contains(self, points: Array, radius: Array) -> Inside:
        low, high = self.bounds
        center, half = (low + high) / 2, (high - low) / 2
        x, y, z = (numpy.abs(points[axis] - center[axis]) < half[axis] for axis in range(3))
        inside: Inside = x & y & z
        return inside

    def sample_surface(self, count: int, generator: numpy.random.Generator) -> Array:
        low, high = self.bounds
        share = generator.random((count, 3))
        axis = generator.choice(3, count, p=self._faces / self._faces.sum())
        rows = numpy.arange(count)
        share[rows, axis] = share[rows, axis] > 0.5
        points: Array = low + share * (high - low)
        return points

    def mesh(self) -> Any:
        from trimesh.creation import box

        mesh: Any = box(self.size)
        mesh.apply_translation(sum(self.bounds) / 2)
        return mesh

    @property
    def _faces(self) -> Array:
        """(3,) areas of the faces across each axis."""
        x, y, z = self.size
        return numpy.array([y * z, x * z, x * y])


@dataclass(frozen=True)
class Revolved(Part):
    """A profile swept around the y axis along a regular polygon of 48 sides, two of whose corners are on the x axis.

    Attributes:
        outside: (n, 2) distance of the polygon's corners from the axis, and height, from the bottom to the top.
        cavity: (m, 2) the same of a cavity with a flat floor that is open at the top, or None.
    """

    outside: Array
    cavity: Array | None = None

    @property
    def bounds(self) -> tuple[Array, Array]:
        radius, (bottom, top) = self.outside[:, 0].max(), self.outside[[0, -1], 1]
        return numpy.array([-radius, bottom, -radius]), numpy.array([radius, top, radius])

    @property
    def area(self) -> float:
        return float(self._strips.sum())

    def contains(self, points: Array, radius: Array) -> Inside:
        y = points[1]
        outer, heights = self.outside.T
        inside: Inside = (y > heights[0]) & (y < heights[-1]) & (radius < numpy.interp(y, heights, outer))
        if self.cavity is not None:
            inner, heights = self.cavity.T
            inside &= (y < heights[0]) | (radius > numpy.interp(y, heights, inner))
        return inside

    def sample_surface(self, count: int, generator: numpy.random.Generator) -> Array:
        """Points on the surface of revolution that goes through the polygon's corners."""
        strip = generator.choice(len(self._strips), count, p=self._strips / self.area)
        start, end = self._outline[strip], self._outline[strip + 1]
        share, turn = generator.random((2, count))
        radius = numpy.sqrt((1 - share) * start[:, 0] ** 2 + share * end[:, 0] ** 2)  # uniform over a ring or a cone
        widening = end[:, 0] - start[:, 0]
        straight = numpy.abs(widening) < 1e-9
        along = numpy.where(straight, share, (radius - start[:, 0]) / numpy.where(straight, 1, widening))
        y = start[:, 1] + along * (end[:, 1] - start[:, 1])
        return numpy.stack([radius * numpy.cos(2 * numpy.pi * turn), y, radius * numpy.sin(2 * numpy.pi * turn)], 1)

    def mesh(self) -> Any:
        import trimesh
        from trimesh.creation import revolve

        mesh: Any = revolve(self._outline, sections=SECTIONS)  # about z
        return trimesh.Trimesh(numpy.asarray(mesh.vertices)[:, [1, 2, 0]], mesh.faces)

    @cached_property
    def _outline(self) -> Array:
        """(n + m + 2, 2) the closed profile, from axis to axis."""
        cavity = self.outside[:0] if self.cavity is None else self.cavity[::-1]
        sides = numpy.concatenate([self.outside, cavity])
        return numpy.concatenate([[(0.0, sides[0, 1])], sides, [(0.0, sides[-1, 1])]])

    @cached_property
    def _strips(self) -> Array:
        """(n + m + 1,) areas that the sides of the outline sweep."""
        start, end = self._outline[:-1], self._outline[1:]
        areas: Array = numpy.pi * (start[:, 0] + end[:, 0]) * numpy.linalg.norm(end - start, axis=1)
        return areas


@dataclass(frozen=True)
class Solid:
    """The union of parts without holes, centered and scaled as `normalize_mesh` does.

    Attributes:
        name: for messages.
        parts: what is joined; they overlap, so that the union is one piece.
        holes: what is taken away. They change neither the bounding box nor reach into two parts' surfaces at once.
    """

    name: str
    parts: Sequence[Part]
    holes: Sequence[Box] = ()

    def contains(self, points: Array) -> Inside:
        """Which normalized points (P, 3) are inside, exactly; those on the surface itself may be on either side."""
        points = numpy.ascontiguousarray(self.normalization.denormalize(points).T)
        radius = polygon_radius(points)
        inside = self.parts[0].contains(points, radius)
        for part in self.parts[1:]:
            inside |= part.contains(points, radius)
        for hole in self.holes:
            inside &= ~hole.contains(points, radius)
        return inside

    def sample_points(self, count: int, generator: numpy.random.Generator) -> tuple[Array, Inside]:
        """Normalized points (count, 3) and which are inside: half near the surface, half uniform in [-1, 1]³, shuffled.

        Points near the surface come in pairs s ± σξ, with s on a part's surface and ξ normal. A pair that lies on one
        side is left out: there, another part covers the surface.
        """
        pairs = count // 4
        surfaces = [*self.parts, *self.holes]
        areas = numpy.array([surface.area for surface in surfaces])
        numbers = generator.multinomial(CANDIDATES * pairs, areas / areas.sum())
        sampled = [s.sample_surface(number, generator) for s, number in zip(surfaces, numbers, strict=True)]
        normalization = self.normalization
        surface = generator.permutation(numpy.concatenate(sampled) - normalization.center) / normalization.scale
        offset = generator.choice(NEAR_STD, (len(surface), 1)) * generator.standard_normal(surface.shape)
        near = numpy.stack([surface + offset, surface - offset]).clip(-1, 1)  # (2, candidates, 3)
        inside = self.contains(near.reshape(-1, 3)).reshape(2, -1)
        chosen = numpy.argsort(inside[0] == inside[1], kind="stable")[:pairs]
        uniform = generator.uniform(-1, 1, (count - 2 * pairs, 3))
        points = numpy.concatenate([*near[:, chosen], uniform])
        inside = numpy.concatenate([*inside[:, chosen], self.contains(uniform)])
        order = generator.permutation(count)
        return points[order], inside[order]

    def mesh(self) -> Mesh:
        """The exact surface."""
        from trimesh.boolean import difference, union

        whole = self.parts[0].mesh()
        if len(self.parts) > 1:
            whole = union([part.mesh() for part in self.parts], engine="manifold")
        if self.holes:
            whole = difference([whole, *(hole.mesh() for hole in self.holes)], engine="manifold")
        return normalize_mesh(numpy.asarray(whole.vertices), numpy.asarray(whole.faces, numpy.int64), self.name)

    @cached_property
    def normalization(self) -> Normalization:
        """How it was normalized, as for a mesh."""
        low, high = (numpy.array(ends) for ends in zip(*(part.bounds for part in self.parts), strict=True))
        low, high = low.min(0), high.max(0)
        x, y, z = ((low + high) / 2).tolist()
        return Normalization((x, y, z), float((high - low).max()) / 2 / HALF_EXTENT)


def polygon_radius(points: Array) -> Array:
    """(P,) of points (3, P): distance from the y axis of the corners of the 48-sided polygon through each."""
    x, _, z = points
    angle = numpy.abs(numpy.arctan2(z, x))
    angle -= SECTOR * numpy.floor(angle / SECTOR) + SECTOR / 2
    radius: Array = numpy.hypot(x, z) * numpy.cos(angle) / numpy.cos(SECTOR / 2)
    return radius
