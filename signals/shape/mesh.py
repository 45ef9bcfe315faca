"""Triangle meshes: read, validated, normalized to [-1, 1], sampled, and tested for what is inside."""

from __future__ import annotations

__all__ = [
    "HALF_EXTENT",
    "SUFFIXES",
    "Array",
    "Mesh",
    "MeshReport",
    "Normalization",
    "export_mesh",
    "inspect_mesh",
    "make_watertight",
    "normalize_mesh",
    "read_mesh",
    "sample_surface",
    "signed_distance",
]

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from gonkit.errors import GonkitError, reading
from signals.shape.orientation import orient_parts
from signals.shape.ply import read_ply
from signals.shape.polygons import read_obj, read_off, triangulate

Array = NDArray[numpy.float64]
SUFFIXES = frozenset({".obj", ".ply", ".stl", ".off", ".glb", ".gltf"})
HALF_EXTENT = 0.9  # half the longest side of a normalized mesh; the rest of [-1, 1] is margin
COARSE = 1e-4  # of a mesh's extent: as far as 32-bit coordinates may lie apart
MIN_CORE = 0.5  # share of the longest side; below it, stray parts set the scale
NUM_PROBES = 20_000  # random points at which a mesh is inspected


@dataclass(frozen=True)
class Normalization:
    """How a mesh was normalized: original = normalized · scale + center.

    Attributes:
        center: of the original bounding box, in the file's units.
        scale: original length of one normalized unit.
    """

    center: tuple[float, float, float]
    scale: float

    def denormalize(self, vertices: Array) -> Array:
        """Normalized vertices (V, 3) at their original position and size."""
        original: Array = vertices * self.scale + numpy.array(self.center)
        return original


@dataclass(frozen=True)
class Mesh:
    """A normalized triangle mesh.

    Attributes:
        vertices: (V, 3) in [-1, 1].
        faces: (F, 3) indices of vertices.
        normalization: the original position and size.
    """

    vertices: Array
    faces: NDArray[numpy.int64]
    normalization: Normalization


@dataclass(frozen=True)
class MeshReport:
    """Properties of a mesh that decide whether it has an inside, measured at random points of [-1, 1]³.

    Attributes:
        faces: number of faces.
        closed: whether every edge has two faces.
        winding: largest winding number, near 1 for a solid, 0 for a double-sided sheet.
        ambiguous: share of points whose winding number has a magnitude between 0.1 and 0.9.
        inside: share of points inside.
        core: share of the longest side that 99 % of the surface takes up.
    """

    faces: int
    closed: bool
    winding: float
    ambiguous: float
    inside: float
    core: float

    @property
    def solid(self) -> bool:
        """Whether the mesh has an inside."""
        return self.winding > 0.5 and self.inside > 0

    @property
    def needs_repair(self) -> bool:
        """Whether it has no inside, or holes."""
        return not self.solid or self.ambiguous > 0.001

    @property
    def advice(self) -> str:
        """What to do about the mesh; empty if it is good."""
        if self.core < MIN_CORE:
            return (
                f"99 % of its surface takes up only {self.core:.1%} of its size, because a small part lies far from "
                "the rest; remove that part, or the rest will be tiny"
            )
        if not self.solid:
            return (
                "nothing is inside it: its faces are double-sided, or an open sheet; "
                'repair = "watertight" replaces it by the space that it encloses'
            )
        if self.needs_repair:
            return 'has holes, which winding numbers close approximately; repair = "watertight" closes small ones'
        return ""


def read_mesh(path: Path) -> Mesh:
    """The faces of a file, cut into triangles and normalized to [-1, 1]; closed parts are turned outwards.

    Raises:
        GonkitError: the file is unreadable, or `normalize_mesh` refuses its contents.
    """
    readers = {".obj": read_obj, ".off": read_off, ".ply": read_ply}
    with reading(path, "a mesh"), numpy.errstate(all="ignore"):
        path.stat()  # which says it where there is no such file
        if (reader := readers.get(path.suffix.lower())) is None:
            vertices, faces = _read_with_trimesh(path)
        else:
            vertices, polygons = reader(path.read_bytes())
            faces = triangulate(vertices, polygons)
        mesh = normalize_mesh(vertices, faces, str(path))
        return replace(mesh, faces=orient_parts(mesh.vertices, mesh.faces))


def _read_with_trimesh(path: Path) -> tuple[Array, NDArray[numpy.int64]]:
    import trimesh

    logging.getLogger("trimesh").setLevel(logging.CRITICAL)
    loaded: Any = trimesh.load(path, force="mesh", process=False, skip_materials=True)
    vertices = numpy.asarray(getattr(loaded, "vertices", ()), numpy.float64).reshape(-1, 3)
    return vertices, numpy.asarray(getattr(loaded, "faces", ()), numpy.int64).reshape(-1, 3)


def normalize_mesh(vertices: Array, faces: NDArray[numpy.int64], name: str) -> Mesh:
    """Centers triangles and scales them so that their longest side is 2 · HALF_EXTENT.

    Args:
        vertices: (V, 3).
        faces: (F, 3).
        name: of the mesh, for messages.

    Raises:
        GonkitError: there are no faces, a face refers to a missing vertex, coordinates are not finite, or all faces
            together have no area.
    """
    if not len(faces):
        raise GonkitError(f"{name}: holds no faces ({len(vertices)} vertices); is it a mesh?")
    if faces.min() < 0 or faces.max() >= len(vertices):
        wrong = int(((faces < 0) | (faces >= len(vertices))).any(1).sum())
        raise GonkitError(f"{name}: {wrong} of {len(faces)} faces name a vertex that is not among the {len(vertices)}")
    used = vertices[numpy.unique(faces)]
    if not numpy.isfinite(used).all():
        bad = int((~numpy.isfinite(used)).any(1).sum())
        raise GonkitError(f"{name}: {bad} of {len(used)} vertices are not finite (NaN or infinity)")
    low, high = used.min(0), used.max(0)
    extent = float((high - low).max())
    corners = vertices[faces]
    sides = corners[:, 1:] - corners[:, :1]
    area = numpy.linalg.norm(numpy.cross(sides[:, 0], sides[:, 1]), axis=1).sum()
    if not extent > 0 or not area > 1e-12 * extent**2:
        raise GonkitError(f"{name}: its faces have no area: all {len(used)} vertices lie on a point or a line")
    center, scale = (low + high) / 2, extent / 2 / HALF_EXTENT
    normalized = numpy.nan_to_num((vertices - center) / scale)  # vertices without faces may hold anything
    return Mesh(normalized, faces, Normalization((float(center[0]), float(center[1]), float(center[2])), scale))


def signed_distance(mesh: Mesh, points: Array) -> tuple[Array, Array]:
    """Distance of points (P, 3) to the surface, negative inside, and their winding numbers, both (P,).

    A point is inside where its winding number exceeds ½: Jacobson et al., Robust Inside-Outside Segmentation using
    Generalized Winding Numbers (2013).
    """
    import igl

    points = numpy.ascontiguousarray(points, numpy.float64)
    squared = igl.point_mesh_squared_distance(points, mesh.vertices, mesh.faces)[0]
    winding = igl.fast_winding_number(mesh.vertices, mesh.faces, points)
    return numpy.where(winding > 0.5, -1.0, 1.0) * numpy.sqrt(squared), winding


def sample_surface(
    vertices: Array, faces: NDArray[numpy.int64], count: int, generator: numpy.random.Generator
) -> tuple[Array, Array]:
    """Points (count, 3) distributed uniformly over the faces, and the faces' unit normals there (count, 3)."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normal = numpy.cross(b - a, c - a)
    area = numpy.linalg.norm(normal, axis=1)
    face = generator.choice(len(area), count, p=area / area.sum())
    u, v = generator.random((2, count, 1))
    outside = u + v > 1
    u, v = numpy.where(outside, 1 - u, u), numpy.where(outside, 1 - v, v)
    points: Array = a[face] + u * (b - a)[face] + v * (c - a)[face]
    return points, normal[face] / area[face, None]


def inspect_mesh(mesh: Mesh, winding: Array | None = None) -> MeshReport:
    """Inspects a mesh at random points of [-1, 1]³.

    Args:
        mesh: any mesh.
        winding: its winding numbers (P,) at such points; None to compute them, at points that are always the same.
    """
    import igl
    import trimesh

    if winding is None:
        points = numpy.random.default_rng(0).uniform(-1, 1, (NUM_PROBES, 3))
        winding = igl.fast_winding_number(mesh.vertices, mesh.faces, points)
    ambiguous = (numpy.abs(winding) > 0.1) & (numpy.abs(winding) < 0.9)
    surface, _ = sample_surface(mesh.vertices, mesh.faces, NUM_PROBES, numpy.random.default_rng(0))
    low, high = numpy.quantile(surface, [0.005, 0.995], axis=0)
    merged = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    return MeshReport(
        faces=len(mesh.faces),
        closed=bool(merged.is_watertight),
        winding=float(winding.max()),
        ambiguous=float(ambiguous.mean()),
        inside=float((winding > 0.5).mean()),
        core=float((high - low).max()) / (2 * HALF_EXTENT),
    )


def export_mesh(mesh: Any, suffix: str) -> bytes:
    """The file of a `trimesh.Trimesh`, at its place also far from the origin.

    GLB stores 32-bit coordinates, which are then relative to the mesh's center; the center is its node's translation.

    Args:
        mesh: to write.
        suffix: ".glb", ".obj", ".ply" or ".stl".

    Raises:
        GonkitError: a format of 32-bit coordinates that cannot hold the mesh at its place.
    """
    import trimesh

    reach, extent = float(numpy.abs(mesh.vertices).max()), float(mesh.extents.max())
    spacing = float(numpy.spacing(numpy.float32(reach)))
    exported = mesh
    if spacing > COARSE * extent and suffix in (".ply", ".stl"):
        raise GonkitError(
            f"{suffix} stores 32-bit coordinates, which are {spacing:.2g} apart at {reach:.7g}, too coarse for a mesh "
            f"of size {extent:.3g}; write .obj or .glb"
        )
    if spacing > COARSE * extent and suffix == ".glb":
        center = mesh.bounds.mean(0)
        local = trimesh.Trimesh(mesh.vertices - center, mesh.faces, vertex_normals=mesh.vertex_normals, process=False)
        exported = trimesh.Scene()
        place = numpy.eye(4)
        place[:3, 3] = center
        exported.add_geometry(local, transform=place)
    content: str | bytes = exported.export(file_type=suffix.removeprefix("."))
    return content.encode() if isinstance(content, str) else content


def make_watertight(mesh: Mesh, cells: int = 128, thickness: float = 1.5) -> Mesh:
    """A watertight mesh around the space that a mesh encloses: the outer surface of a shell around its faces.

    Args:
        mesh: any mesh.
        cells: of the grid along each axis.
        thickness: of the shell on either side of the faces, in cells; holes less than twice as wide are closed.
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
    # Positive outside the shell, negative within it, and a constant -shell in enclosed space, so that only the outer
    # side of the shell is a zero crossing
    field = numpy.where(outside | (distance <= shell), distance - shell, -shell)
    vertices, faces, _, _ = marching_cubes(field, 0.0)
    return Mesh(vertices * (2 / cells) - 1, faces.astype(numpy.int64), mesh.normalization)
