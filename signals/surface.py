"""From a field to a mesh: evaluated where the surface is, closed, with the field's own normals; and pictures of it."""

from __future__ import annotations

__all__ = ["Surface", "extract", "preview", "surface_of"]

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from PIL import Image as pillow
from torch import Tensor

from gonkit.signal import SignalError
from signals.meshes import Array, Frame, Mesh

Field = Callable[[Tensor], Tensor]  # (P, 3) in [-1, 1] → (P,), above zero inside
COARSEST = 32  # cells along an axis that everything is evaluated at
LIGHT = (0.35, 0.5, 0.8)  # from over the viewer's shoulder


@dataclass(frozen=True)
class Surface:
    """A mesh out of a field.

    Attributes:
        vertices: (V, 3) in [-1, 1]; none where the field never crosses its level.
        faces: (F, 3), outward.
        normals: (V, 3), of length one, outward.
        low: the field's lowest value seen, less the level.
        high: its highest.
        evaluated: share of the grid's corners at which the field was evaluated.
        frame: the original place and size, or None.
    """

    vertices: Array
    faces: NDArray[numpy.int64]
    normals: Array
    low: float
    high: float
    evaluated: float
    frame: Frame | None = None

    def mesh(self) -> Any:
        """A `trimesh.Trimesh` in the original place and size.

        Raises:
            SignalError: there is no surface.
        """
        import trimesh

        if not len(self.faces):
            side = "outside" if self.high <= 0 else "inside"
            raise SignalError(
                f"the field never crosses its level: relative to it, it runs from {self.low:.4g} to {self.high:.4g}, "
                f"which is {side} everywhere. Train longer, choose a latent nearer to the training ones (a lower "
                "--temperature), or a finer --resolution for thin things"
            )
        vertices = self.vertices if self.frame is None else self.frame.restored(self.vertices)
        return trimesh.Trimesh(vertices, self.faces, vertex_normals=self.normals, process=False)

    def placed(self, frame: Frame) -> Surface:
        """The same, to be restored to a frame."""
        return replace(self, frame=frame)


def extract(field: Field, cells: int) -> Surface:
    """The surface where a field is zero, by marching cubes from coarse to fine.

    The field is evaluated at all corners of a coarse grid, and at each halving only at the corners of what became of
    cells that the surface crosses, and of their new neighbors, so that every corner of every crossed cell is exact.
    Beyond the grid is outside: a shape that reaches the border is closed there.

    Args:
        field: values at points, above zero inside.
        cells: along each axis; refined from `cells` divided by the power of two that leaves at least 32.
    """
    from skimage.measure import marching_cubes

    halvings = 0
    while cells % 2 ** (halvings + 1) == 0 and cells // 2 ** (halvings + 1) >= COARSEST:
        halvings += 1
    size = cells >> halvings
    values = field(_corners(size, torch.ones([size + 1] * 3, dtype=torch.bool))).reshape([size + 1] * 3)
    count = values.numel()
    for _ in range(halvings):
        crossed = _widened(_children(_crossed(values)))
        size *= 2
        values = _upsampled(values)
        wanted = _touching(crossed)
        wanted[::2, ::2, ::2] = False  # known already
        values[wanted] = field(_corners(size, wanted))
        count += int(wanted.sum())
    low, high = values.min().item(), values.max().item()
    none = numpy.zeros((0, 3))
    share = count / (cells + 1) ** 3
    if low >= 0 or high <= 0:
        return Surface(none, none.astype(numpy.int64), none, low, high, share)
    found, faces, _, _ = marching_cubes(_walled(_off_level(values)).numpy(), 0.0, gradient_direction="ascent")
    vertices = (found - 1) * (2 / cells) - 1
    normals = _normals(field, vertices, 0.5 / cells)
    return Surface(vertices, faces.astype(numpy.int64), normals, low, high, share)


def surface_of(mesh: Mesh) -> Surface:
    """A mesh as it is, to be shown and saved like one out of a field."""
    import trimesh

    normals = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).vertex_normals
    return Surface(mesh.vertices, mesh.faces, numpy.asarray(normals), 0.0, 0.0, 0.0, mesh.frame)


def preview(surface: Surface, size: int = 96, turn: float = 0.6) -> pillow.Image:
    """A shaded picture by ray casting, without a display.

    Args:
        surface: what to show.
        size: of the picture, in pixels a side.
        turn: radians about the upward axis, y.
    """
    if not len(surface.faces):
        return pillow.new("L", (size, size), 255)
    import trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    cos, sin, tilt = numpy.cos(turn), numpy.sin(turn), 0.35
    about = numpy.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    down = numpy.array([[1, 0, 0], [0, numpy.cos(tilt), -numpy.sin(tilt)], [0, numpy.sin(tilt), numpy.cos(tilt)]])
    vertices, normals = ((down @ about @ part.T).T for part in (surface.vertices, surface.normals))
    axis = (numpy.arange(size) + 0.5) * (3.0 / size) - 1.5
    across, up = numpy.meshgrid(axis, -axis)
    origins = numpy.stack([across, up, numpy.full_like(up, 4.0)], -1).reshape(-1, 3)
    rays = numpy.broadcast_to([0.0, 0.0, -1.0], origins.shape)
    mesh = trimesh.Trimesh(vertices, surface.faces, process=False)
    hit = RayMeshIntersector(mesh).intersects_first(origins, rays)
    seen = hit >= 0
    facing = normals[surface.faces[hit[seen]]].mean(1)
    facing /= numpy.linalg.norm(facing, axis=1, keepdims=True).clip(1e-9)
    light = numpy.array(LIGHT) / numpy.linalg.norm(LIGHT)
    shade = numpy.full(size * size, 255.0)
    shade[seen] = 40 + 190 * (0.5 + 0.5 * facing @ light)
    return pillow.fromarray(shade.reshape(size, size).astype(numpy.uint8))


def _corners(cells: int, wanted: Tensor) -> Tensor:
    """(P, 3) the corners of a grid over [-1, 1] that are wanted, first axis slowest."""
    return wanted.nonzero().float() * (2 / cells) - 1


def _crossed(values: Tensor) -> Tensor:
    """Cells with corners on both sides."""
    inside = (values > 0).float()[None, None]
    some = torch.nn.functional.max_pool3d(inside, 2, 1)
    every = -torch.nn.functional.max_pool3d(-inside, 2, 1)
    return (some != every)[0, 0]


def _widened(cells: Tensor) -> Tensor:
    """Cells and their neighbors."""
    return torch.nn.functional.max_pool3d(cells.float()[None, None], 3, 1, 1)[0, 0] > 0


def _children(cells: Tensor) -> Tensor:
    for axis in range(3):
        cells = cells.repeat_interleave(2, axis)
    return cells


def _touching(cells: Tensor) -> Tensor:
    """Corners of cells."""
    wide = torch.nn.functional.pad(cells.float()[None, None], (1,) * 6)
    return torch.nn.functional.max_pool3d(wide, 2, 1)[0, 0] > 0


def _upsampled(values: Tensor) -> Tensor:
    """Corner values at half the spacing, in straight lines between the known ones."""
    size = 2 * (len(values) - 1) + 1
    fine = torch.nn.functional.interpolate(values[None, None], (size,) * 3, mode="trilinear", align_corners=True)[0, 0]
    fine[::2, ::2, ::2] = values
    return fine


def _off_level(values: Tensor) -> Tensor:
    """Moves corners on or near the level away from it by a thousandth of their neighbors' size.

    A surface through a corner would have faces without area there; zero counts as outside, as in `_crossed`.
    """
    least = 1e-3 * torch.nn.functional.max_pool3d(values.abs()[None, None], 3, 1, 1)[0, 0]
    return torch.where(values > 0, values.clamp_min(least), values.clamp_max(-least))


def _walled(values: Tensor) -> Tensor:
    """One more layer of corners around, all outside, that put a wall a hundredth of a cell beyond the border."""
    walled = torch.nn.functional.pad(values[None, None], (1,) * 6, mode="replicate")[0, 0].abs().mul_(-99)
    walled[1:-1, 1:-1, 1:-1] = values
    return walled


def _normals(field: Field, vertices: Array, step: float) -> Array:
    """Outward unit normals: the way the field falls, by central differences."""
    points = torch.from_numpy(vertices).float()
    slope = torch.stack([field(points + d) - field(points - d) for d in step * torch.eye(3)], -1)
    normals = -torch.nn.functional.normalize(slope, dim=1)
    return normals.double().numpy()
