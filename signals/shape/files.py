"""Mesh files: read as values at points, written as surfaces, and inspected."""

from __future__ import annotations

__all__ = ["ShapeFiles"]

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy
import torch
from PIL import Image as pillow
from torch import Tensor

from gonkit.batch import Sample
from gonkit.data import SignalFiles
from gonkit.errors import GonkitError
from gonkit.files import write_bytes
from signals.shape.datasets import shared_points
from signals.shape.isosurface import Surface
from signals.shape.mesh import SUFFIXES, Mesh, export_mesh, inspect_mesh, make_watertight, normalize_mesh, read_mesh
from signals.shape.orientation import orient_parts
from signals.shape.point_cache import Repair, distances_at, sample_sdf_points


class ShapeFiles(SignalFiles):
    """Mesh files.

    Args:
        to_object: the signal type's `to_object`.
        preview: the signal type's `preview`.
        to_values: the signal type's `values_from_sdf`.
        points: P, sampled from a mesh that is loaded.
        shared: load values at `shared_points` instead.
        repair: as for training.
    """

    read_suffixes: ClassVar[frozenset[str]] = SUFFIXES
    write_suffixes: ClassVar[tuple[str, ...]] = (".glb", ".obj", ".ply", ".stl")

    def __init__(
        self,
        to_object: Callable[[Tensor, int | None], Surface],
        preview: Callable[[Surface], pillow.Image],
        to_values: Callable[[Tensor], Tensor],
        points: int,
        shared: bool,
        repair: Repair,
    ) -> None:
        super().__init__(to_object, preview)
        self.to_values, self.points, self.shared, self.repair = to_values, points, shared, repair

    def load(self, path: Path) -> Sample:
        """Reads a mesh as values at the shared points, or at random ones, half of them near its surface."""
        return self._to_sample(read_mesh(path), str(path), path.stem)

    def from_object(self, obj: Any) -> Sample:
        """A `Surface`, or a `trimesh.Trimesh`."""
        if not hasattr(obj, "vertices") or not hasattr(obj, "faces"):
            return super().from_object(obj)
        vertices, faces = numpy.asarray(obj.vertices, numpy.float64), numpy.asarray(obj.faces, numpy.int64)
        name = f"a {type(obj).__name__}"
        mesh = normalize_mesh(vertices, faces, name)
        return self._to_sample(replace(mesh, faces=orient_parts(mesh.vertices, mesh.faces)), name, "")

    def _to_sample(self, mesh: Mesh, name: str, stem: str) -> Sample:
        report = inspect_mesh(mesh)
        if self.repair == "watertight" and report.needs_repair:
            mesh = make_watertight(mesh)
        elif not report.solid:
            raise GonkitError(f"{name}: {report.advice}")
        if self.shared:
            rows = distances_at(mesh, shared_points().double().numpy())
        else:
            rows = sample_sdf_points(mesh, self.points, numpy.random.default_rng(0))
        coords, distance = torch.from_numpy(rows).split([3, 1], 1)
        return Sample(self.to_values(distance), coords=coords, name=stem, transform=mesh.normalization)

    def save(self, obj: Surface, stem: Path, suffix: str | None = None) -> Path:
        path = self.path(stem, suffix)
        try:
            content = export_mesh(obj.mesh(), path.suffix)
        except GonkitError as error:
            raise GonkitError(f"{path}: not written: {error}") from None
        write_bytes(path, content)
        return path

    def inspect(self, path: Path) -> Mapping[str, str]:
        report = inspect_mesh(read_mesh(path))
        return {
            "faces": f"{report.faces:,}",
            "closed": "yes" if report.closed else "no",
            "inside": f"{report.inside:.1%}",
            "ambiguous": f"{report.ambiguous:.2%}",
            "verdict": report.advice or "good",
        }
