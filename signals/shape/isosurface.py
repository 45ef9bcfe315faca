"""From a field to a closed mesh: marching cubes on a grid that is refined only near the surface."""

from __future__ import annotations

__all__ = ["Surface", "extract_surface", "surface_from_mesh"]

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gonkit.errors import GonkitError
from signals.shape.mesh import Array, Mesh, Normalization

ScalarField = Callable[[Tensor], Tensor]
"""Values (P,), above zero inside, at points (P, 3) in [-1, 1]."""
COARSEST = 32  # cells along each axis of the grid that is evaluated completely


@dataclass(frozen=True)
class Surface:
    """The zero level of a field, as a mesh.

    Attributes:
        vertices: (V, 3) in [-1, 1]; none where the field has one sign.
        faces: (F, 3) indices of vertices, counterclockwise seen from outside.
        normals: (V, 3), outward, of unit length.
        low: lowest value of the field that was evaluated.
        high: highest value.
        evaluated: share of the grid's corners at which the field was evaluated.
        normalization: the original position and size, or None.
    """

    vertices: Array
    faces: NDArray[numpy.int64]
    normals: Array
    low: float
    high: float
    evaluated: float
    normalization: Normalization | None = None

    def mesh(self) -> Any:
        """A `trimesh.Trimesh` at the original position and size.

        Raises:
            GonkitError: there is no surface.
        """
        import trimesh

        if not len(self.faces):
            side = "outside" if self.high <= 0 else "inside"
            raise GonkitError(
                f"the field never crosses its level: relative to it, it runs from {self.low:.4g} to {self.high:.4g}, "
                f"which is {side} everywhere. Train longer, choose a latent nearer to the training ones (a lower "
                "--temperature), or a finer --resolution for thin parts"
            )
        vertices = self.vertices if self.normalization is None else self.normalization.denormalize(self.vertices)
        return trimesh.Trimesh(vertices, self.faces, vertex_normals=self.normals, process=False)

    def with_normalization(self, normalization: Normalization | None) -> Surface:
        """The same surface, with another original position and size."""
        return replace(self, normalization=normalization)


def extract_surface(field: ScalarField, cells: int) -> Surface:
    """The surface where a field is zero, by marching cubes from coarse to fine.

    The field is evaluated at all corners of a coarse grid. Each time the cells are halved, it is evaluated only at
    the corners of the children of those cells that the surface crosses, and of their neighbors, so that every corner
    of every crossed cell is exact. Outside of the grid counts as outside: a shape that reaches the border is closed
    there.

    Args:
        field: values at points, above zero inside.
        cells: along each axis. The coarse grid has `cells` divided by the largest power of two that leaves at least
            32.
    """
    from skimage.measure import marching_cubes

    halvings = 0
    while cells % 2 ** (halvings + 1) == 0 and cells // 2 ** (halvings + 1) >= COARSEST:
        halvings += 1
    size = cells >> halvings
    values = field(_corner_coords(size, torch.ones([size + 1] * 3, dtype=torch.bool))).reshape([size + 1] * 3)
    count = values.numel()
    for _ in range(halvings):
        crossed = _dilate(_children(_crossing_cells(values)))
        size *= 2
        values = _upsample(values)
        needed = _corners_of(crossed)
        needed[::2, ::2, ::2] = False  # already exact
        values[needed] = field(_corner_coords(size, needed))
        count += int(needed.sum())
    low, high = values.min().item(), values.max().item()
    evaluated = count / (cells + 1) ** 3
    if low >= 0 or high <= 0:
        empty = numpy.zeros((0, 3))
        return Surface(empty, empty.astype(numpy.int64), empty, low, high, evaluated)
    padded = _pad_outside(_avoid_level(values)).numpy()
    indices, faces, _, _ = marching_cubes(padded, 0.0, gradient_direction="ascent")
    vertices = (indices - 1) * (2 / cells) - 1
    normals = _normals(field, vertices, 0.5 / cells)
    return Surface(vertices, faces.astype(numpy.int64), normals, low, high, evaluated)


def surface_from_mesh(mesh: Mesh) -> Surface:
    """A mesh as a surface, to be shown, saved and compared like one extracted from a field."""
    import trimesh

    normals = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).vertex_normals
    return Surface(mesh.vertices, mesh.faces, numpy.asarray(normals), 0.0, 0.0, 0.0, mesh.normalization)


def _corner_coords(cells: int, mask: Tensor) -> Tensor:
    """(P, 3) coordinates of the corners of a grid over [-1, 1] that a mask selects, last axis fastest."""
    return mask.nonzero().float() * (2 / cells) - 1


def _crossing_cells(values: Tensor) -> Tensor:
    """Mask of the cells with corners on both sides."""
    inside = values > 0
    return _any_of_pairs(inside) & _any_of_pairs(~inside)


def _dilate(cells: Tensor) -> Tensor:
    """Mask of cells and their neighbors."""
    return _max_of_neighbors(cells)


def _children(cells: Tensor) -> Tensor:
    """Mask of the eight halves of each cell."""
    for axis in range(3):
        cells = cells.repeat_interleave(2, axis)
    return cells


def _corners_of(cells: Tensor) -> Tensor:
    """Mask of the corners of cells."""
    return _any_of_pairs(functional.pad(cells, (1,) * 6))


def _any_of_pairs(mask: Tensor) -> Tensor:
    """Whether any of 2³ neighbors is set, one fewer along each axis; several times faster than pooling."""
    for axis in range(3):
        count = mask.shape[axis] - 1
        mask = mask.narrow(axis, 0, count) | mask.narrow(axis, 1, count)
    return mask


def _max_of_neighbors(values: Tensor) -> Tensor:
    """The largest of 3³ neighbors, fewer at the border."""
    for axis in range(3):
        count = values.shape[axis] - 1
        before, after = (values.narrow(axis, start, count) for start in (0, 1))
        largest = values.clone()
        for part, other in ((largest.narrow(axis, 1, count), before), (largest.narrow(axis, 0, count), after)):
            part.copy_(torch.maximum(part, other))
        values = largest
    return values


def _upsample(values: Tensor) -> Tensor:
    """Corner values at half the spacing, trilinear between the known ones."""
    size = 2 * (len(values) - 1) + 1
    fine = functional.interpolate(values[None, None], (size,) * 3, mode="trilinear", align_corners=True)[0, 0]
    fine[::2, ::2, ::2] = values
    return fine


def _avoid_level(values: Tensor) -> Tensor:
    """Moves corner values near zero away from it, to a thousandth of the largest neighboring magnitude.

    A surface through a corner would have faces without area there. Zero counts as outside, as in `_crossing_cells`.
    """
    least = 1e-3 * _max_of_neighbors(values.abs())
    return torch.where(values > 0, values.clamp_min(least), values.clamp_max(-least))


def _pad_outside(values: Tensor) -> Tensor:
    """Adds a layer of corners on all sides, so far outside that shapes close a hundredth of a cell past the border."""
    padded = functional.pad(values[None, None], (1,) * 6, mode="replicate")[0, 0].abs().mul_(-99)
    padded[1:-1, 1:-1, 1:-1] = values
    return padded


def _normals(field: ScalarField, vertices: Array, step: float) -> Array:
    """Outward unit normals: the negative gradient of the field, by central differences."""
    points = torch.from_numpy(vertices).float()
    slope = torch.stack([field(points + d) - field(points - d) for d in step * torch.eye(3)], -1)
    normals = -functional.normalize(slope, dim=1)
    return normals.double().numpy()
