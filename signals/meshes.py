"""Meshes: read, checked before any library can stumble over them, and asked what is inside."""

from __future__ import annotations

__all__ = ["SUFFIXES", "Checked", "Frame", "Mesh", "check_mesh", "close_mesh", "read_mesh", "signed_distance"]

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from gonkit.signal import SignalError

Array = NDArray[numpy.float64]
SUFFIXES = {".obj", ".ply", ".stl", ".off", ".glb", ".gltf"}
HALF = 0.9  # half the longest side of a mesh in its own frame of [-1, 1]
PROBES = 20_000  # points that a mesh is judged by


@dataclass(frozen=True)
class Frame:
    """Where a normalized mesh was: original = normalized · scale + center."""

    center: tuple[float, float, float]
    scale: float

    def restored(self, vertices: Array) -> Array:
        """Normalized vertices in the original place and size."""
        placed: Array = vertices * self.scale + numpy.array(self.center)
        return placed


@dataclass(frozen=True)
class Mesh:
    """Triangles: vertices (V, 3) within [-1, 1], faces (F, 3), and where they came from."""

    vertices: Array
    faces: NDArray[numpy.int64]
    frame: Frame


@dataclass(frozen=True)
class Checked:
    """What a mesh is like.

    Attributes:
        faces: how many.
        closed: whether every edge has two faces.
        winding: the largest winding number seen, near 1 for a solid, 0 for a double-sided sheet.
        doubtful: share of points whose winding number is between 0.1 and 0.9 from zero.
        inside: share of points within.
    """

    faces: int
    closed: bool
    winding: float
    doubtful: float
    inside: float

    @property
    def solid(self) -> bool:
        """Whether inside and outside can be told."""
        return self.winding > 0.5 and self.inside > 0

    @property
    def advice(self) -> str:
        """What to do, if anything."""
        if not self.solid:
            return (
                'nothing is inside it: double-sided, turned inside out, or a mere sheet; repair = "watertight" takes '
                "the space that it encloses"
            )
        if self.doubtful > 0.001:
            return 'has holes, which are closed as winding numbers suggest; repair = "watertight" closes small ones'
        return ""


def read_mesh(path: Path) -> Mesh:
    """A file's triangles, all of its parts together, in a frame of [-1, 1].

    Raises:
        SignalError: unreadable, without faces, with faces that name no vertex, with coordinates that are not
            finite, or without extent.
    """
    import trimesh

    logging.getLogger("trimesh").setLevel(logging.CRITICAL)
    try:
        with numpy.errstate(all="ignore"):
            loaded: Any = trimesh.load(path, force="mesh", process=False)
    except Exception as error:  # readers of broken files fail in many ways
        reason = "there is no such file" if not path.exists() else f"{type(error).__name__}: {error}"
        raise SignalError(f"{path}: cannot be read as a mesh: {reason}") from None
    vertices = numpy.asarray(getattr(loaded, "vertices", ()), numpy.float64).reshape(-1, 3)
    faces = numpy.asarray(getattr(loaded, "faces", ()), numpy.int64).reshape(-1, 3)
    return normalized(vertices, faces, str(path))


def normalized(vertices: Array, faces: NDArray[numpy.int64], name: str) -> Mesh:
    """Triangles as a `Mesh`; `name` is for messages.

    Raises:
        SignalError: as `read_mesh`.
    """
    if not len(faces):
        raise SignalError(f"{name}: holds no faces ({len(vertices)} vertices); is it a mesh?")
    if faces.min() < 0 or faces.max() >= len(vertices):
        wrong = int(((faces < 0) | (faces >= len(vertices))).any(1).sum())
        raise SignalError(f"{name}: {wrong} of {len(faces)} faces name a vertex that is not among the {len(vertices)}")
    used = vertices[numpy.unique(faces)]
    if not numpy.isfinite(used).all():
        bad = int((~numpy.isfinite(used)).any(1).sum())
        raise SignalError(f"{name}: {bad} of {len(used)} vertices are not finite (NaN or infinity)")
    low, high = used.min(0), used.max(0)
    extent = float((high - low).max())
    corners = vertices[faces]
    sides = corners[:, 1:] - corners[:, :1]
    area = numpy.linalg.norm(numpy.cross(sides[:, 0], sides[:, 1]), axis=1).sum()
    if not extent > 0 or not area > 1e-12 * extent**2:
        raise SignalError(f"{name}: its faces have no area: all {len(used)} vertices lie on a point or a line")
    center, scale = (low + high) / 2, extent / 2 / HALF
    placed = numpy.nan_to_num((vertices - center) / scale)
    return Mesh(placed, faces, Frame((float(center[0]), float(center[1]), float(center[2])), scale))


def signed_distance(mesh: Mesh, points: Array) -> tuple[Array, Array]:
    """Distance of points (P, 3) to the surface, negative inside, and winding numbers, both (P,).

    Inside is where the winding number is over ½: Jacobson et al., Robust Inside-Outside Segmentation using
    Generalized Winding Numbers (2013).
    """
    import igl

    points = numpy.ascontiguousarray(points, numpy.float64)
    squared = igl.point_mesh_squared_distance(points, mesh.vertices, mesh.faces)[0]
    winding = igl.fast_winding_number(mesh.vertices, mesh.faces, points)
    return numpy.where(winding > 0.5, -1.0, 1.0) * numpy.sqrt(squared), winding


def check_mesh(mesh: Mesh) -> Checked:
    """Judges a mesh by points spread evenly over its frame; the same for the same mesh."""
    import igl
    import trimesh

    points = numpy.random.default_rng(0).uniform(-1, 1, (PROBES, 3))
    winding = igl.fast_winding_number(mesh.vertices, mesh.faces, points)
    doubtful = (numpy.abs(winding) > 0.1) & (numpy.abs(winding) < 0.9)
    merged = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    return Checked(
        len(mesh.faces),
        bool(merged.is_watertight),
        float(winding.max()),
        float(doubtful.mean()),
        float((winding > 0.5).mean()),
    )


def close_mesh(mesh: Mesh, cells: int = 128, thickness: float = 1.5) -> Mesh:
    """A watertight mesh around what a mesh encloses: the outer surface of a shell about its faces.

    Args:
        mesh: of any kind.
        cells: of a grid along each axis.
        thickness: of the shell on either side, in cells; holes less than twice as wide are closed.
    """
    import igl
    from scipy import ndimage
    from skimage.measure import marching_cubes

    axis = numpy.linspace(-1, 1, cells + 1)
    grid = numpy.stack(numpy.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    distance = numpy.sqrt(igl.point_mesh_squared_distance(grid, mesh.vertices, mesh.faces)[0]).reshape([cells + 1] * 3)
    shell = thickness * 2 / cells
    regions, _ = ndimage.label(distance > shell)
    outside = regions == regions[0, 0, 0]
    # beyond the shell from outside: positive; in the shell: up to zero at its outer face; enclosed: deep
    field = numpy.where(outside | (distance <= shell), distance - shell, -shell)
    vertices, faces, _, _ = marching_cubes(field, 0.0)
    return Mesh(vertices * (2 / cells) - 1, faces.astype(numpy.int64), mesh.frame)
