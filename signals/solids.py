"""Vases, tables and towers: the family of shapes that comes with gonkit, made by rules."""

from __future__ import annotations

__all__ = ["CLASSES", "COUNT", "solid", "solid_name"]

from typing import Any

import numpy
from numpy.typing import NDArray

from signals.meshes import Array, Mesh, normalized

CLASSES = ("vase", "table", "tower")
COUNT = 240  # 80 of each
SIDES = 48  # of round things


def solid_name(number: int) -> str:
    """What a shape is called."""
    return f"{CLASSES[number % len(CLASSES)]} {number // len(CLASSES) + 1}"


def solid(number: int) -> Mesh:
    """Shape `number` of the family, from 0: watertight, y upwards, the same on every machine."""
    generator = numpy.random.default_rng((7, number))
    made = (_vase, _table, _tower)[number % len(CLASSES)](generator)
    return normalized(*made, solid_name(number))


def _vase(generator: numpy.random.Generator) -> tuple[Array, NDArray[numpy.int64]]:
    """A thick wall turned about the y axis: foot, belly, neck and lip."""
    foot, belly, neck, lip = generator.uniform((0.25, 0.45, 0.18, 0.25), (0.45, 0.8, 0.45, 0.6))
    height, wall = generator.uniform(1.4, 2.0), generator.uniform(0.11, 0.16)
    rise = numpy.linspace(0, 1, 24)
    belly_at = generator.uniform(0.3, 0.5)
    outer = _smooth(rise, [0, belly_at, 0.8, 1], [foot, belly, neck, lip])
    inner = numpy.maximum(outer - wall, 0.04)
    up = rise * height
    hollow = rise >= wall / height
    profile = [(0.0, 0.0), *zip(outer, up, strict=True), *list(zip(inner, up, strict=True))[::-1][: int(hollow.sum())]]
    profile.append((0.0, profile[-1][1]))
    return _revolved(numpy.array(profile))


def _table(generator: numpy.random.Generator) -> tuple[Array, NDArray[numpy.int64]]:
    """A round or a square top on four legs, or on one."""
    width, depth = generator.uniform(1.2, 2.0), generator.uniform(0.9, 1.4)
    height, thick, leg = generator.uniform(0.7, 1.4), generator.uniform(0.14, 0.22), generator.uniform(0.16, 0.26)
    if generator.random() < 0.4:
        top = _cylinder(width / 2, thick, height)
        return _union([top, _cylinder(leg * 0.7, height + thick / 2, 0.0), _cylinder(width * 0.28, thick, 0.0)])
    x, z = width / 2 - leg / 2, depth / 2 - leg / 2
    legs = [_box((leg, height + thick / 2, leg), (i * x, 0.0, k * z)) for i in (-1, 1) for k in (-1, 1)]
    return _union([_box((width, thick, depth), (0.0, height, 0.0)), *legs])


def _tower(generator: numpy.random.Generator) -> tuple[Array, NDArray[numpy.int64]]:
    """Two to four solids on each other, each smaller than the one under it, some with a hole."""
    parts, at, size = [], 0.0, generator.uniform(0.7, 0.95)
    for level in range(int(generator.integers(2, 5))):
        height = generator.uniform(0.35, 0.6)
        kind = generator.integers(3)
        if kind == 0:
            part = _box((2 * size, height, 2 * size), (0.0, at, 0.0))
        elif kind == 1:
            part = _cylinder(size, height, at)
        else:
            part = _cylinder(size, height, at, top=size * 0.6)
        if level and generator.random() < 0.4:
            part = _less(part, _box((4.0, height * 0.45, size * 0.7), (0.0, at + height * 0.2, 0.0)))
        parts.append(part)
        at += height - 0.05
        size *= generator.uniform(0.6, 0.85)
    return _union(parts)


def _smooth(x: Array, knots: list[float], values: Any) -> Array:
    """Through the knots with level ends: cubic in each interval."""
    from scipy.interpolate import PchipInterpolator

    found: Array = PchipInterpolator(knots, values)(x)
    return found


def _revolved(profile: Array) -> tuple[Array, NDArray[numpy.int64]]:
    """A closed profile (n, 2) of radius and height, from axis to axis, about y."""
    from trimesh.creation import revolve

    made: Any = revolve(profile, sections=SIDES)  # about z
    return numpy.asarray(made.vertices)[:, [1, 2, 0]], numpy.asarray(made.faces, numpy.int64)


def _box(size: tuple[float, float, float], base: tuple[float, float, float]) -> Any:
    """Standing on `base`, the middle of its underside."""
    from trimesh.creation import box

    made: Any = box(size)
    made.apply_translation(numpy.add(base, (0, size[1] / 2, 0)))
    return made


def _cylinder(radius: float, height: float, base: float, top: float | None = None) -> Any:
    """Upright, from `base` upwards, with another radius at its top on request."""
    import trimesh

    profile = numpy.array([(0, 0), (radius, 0), (radius if top is None else top, height), (0, height)], float)
    vertices, faces = _revolved(profile)
    return trimesh.Trimesh(numpy.add(vertices, (0, base, 0)), faces)


def _union(parts: list[Any]) -> tuple[Array, NDArray[numpy.int64]]:
    from trimesh.boolean import union

    made: Any = union(parts, engine="manifold")
    return numpy.asarray(made.vertices), numpy.asarray(made.faces, numpy.int64)


def _less(part: Any, hole: Any) -> Any:
    from trimesh.boolean import difference

    return difference([part, hole], engine="manifold")
