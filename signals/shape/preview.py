"""How surfaces are shown: a shaded picture by ray casting, and a mesh in TensorBoard."""

from __future__ import annotations

__all__ = ["ShapeDisplay", "render_preview"]

from typing import TYPE_CHECKING, ClassVar

import numpy
import torch
from PIL import Image as pillow

from gonkit.data import Display
from signals.shape.isosurface import Surface

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

LIGHT = (0.35, 0.5, 0.8)  # from over the viewer's shoulder
TILT = 0.35  # radians by which the camera looks down


class ShapeDisplay(Display):
    """Shows surfaces as meshes in TensorBoard; the report links pictures to mesh files."""

    preview_is_complete: ClassVar[bool] = False

    def log(self, writer: SummaryWriter, tag: str, obj: Surface, step: int) -> None:
        if len(obj.faces):
            vertices, faces = torch.from_numpy(obj.vertices).float(), torch.from_numpy(obj.faces)
            writer.add_mesh(tag, vertices[None], faces=faces[None].int(), global_step=step)


def render_preview(surface: Surface, size: int = 96, angle: float = 0.6) -> pillow.Image:
    """A shaded gray picture by ray casting, which needs no display; white where there is no surface.

    Args:
        surface: what to show.
        size: pixels along each side.
        angle: of the rotation about the y axis, which points up, in radians.
    """
    if not len(surface.faces):
        return pillow.new("L", (size, size), 255)
    import trimesh
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    cos, sin = numpy.cos(angle), numpy.sin(angle)
    rotation = numpy.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    tilt = numpy.array([[1, 0, 0], [0, numpy.cos(TILT), -numpy.sin(TILT)], [0, numpy.sin(TILT), numpy.cos(TILT)]])
    vertices, normals = ((tilt @ rotation @ rows.T).T for rows in (surface.vertices, surface.normals))
    axis = (numpy.arange(size) + 0.5) * (3.0 / size) - 1.5
    x, y = numpy.meshgrid(axis, -axis)
    origins = numpy.stack([x, y, numpy.full_like(y, 4.0)], -1).reshape(-1, 3)
    directions = numpy.broadcast_to([0.0, 0.0, -1.0], origins.shape)
    mesh = trimesh.Trimesh(vertices, surface.faces, process=False)
    face = RayMeshIntersector(mesh).intersects_first(origins, directions)
    hit = face >= 0
    normal = normals[surface.faces[face[hit]]].mean(1)
    normal /= numpy.linalg.norm(normal, axis=1, keepdims=True).clip(1e-9)
    light = numpy.array(LIGHT) / numpy.linalg.norm(LIGHT)
    shade = numpy.full(size * size, 255.0)
    shade[hit] = 40 + 190 * (0.5 + 0.5 * normal @ light)
    return pillow.fromarray(shade.reshape(size, size).astype(numpy.uint8))
