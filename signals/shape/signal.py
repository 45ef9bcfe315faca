"""Shapes: what is inside a mesh, or the distance to its surface, at points in space."""

from __future__ import annotations

__all__ = ["Distance", "Occupancy", "Shape", "ShapeFiles"]

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import numpy
import torch
from PIL import Image as pillow
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from gonkit.batch import Sample
from gonkit.data import (
    DecodeFn,
    DefaultLosses,
    Grid,
    IsPath,
    Signal,
    SignalDataset,
    SignalFiles,
    Split,
    files_in,
    folder_classes,
    folder_split,
    report_skipped_files,
    split_indices,
)
from gonkit.errors import GonkitError
from gonkit.files import write_bytes
from signals.shape import synthetic
from signals.shape.datasets import (
    Classes,
    ShapeDataset,
    SharedPointShapeDataset,
    SolidDataset,
    load_shared_distances,
    shared_points,
)
from signals.shape.isosurface import Surface, extract_surface
from signals.shape.losses import TRUNCATION, EikonalLoss, TruncatedL1Loss
from signals.shape.mesh import SUFFIXES, Normalization, export_mesh, inspect_mesh, make_watertight, read_mesh
from signals.shape.metrics import ShapeMeasures
from signals.shape.point_cache import (
    MeshSource,
    PointCache,
    Repair,
    build_point_cache,
    distances_at,
    sample_sdf_points,
)
from signals.shape.preview import ShapeDisplay, render_preview

EPSILON = 1e-6  # of probabilities: their logits are within ±13.8


class Shape(Signal, ABC):
    """Meshes, scaled so that their longest side is 1.8 of the 2 units of [-1, 1]; use `Occupancy` or `Distance`.

    Grid points are the corners of cells.
    """

    data: Annotated[str, IsPath(unless=("solids",))] = "solids"
    """"solids" (synthetic vases, tables and towers), or a folder of meshes."""
    count: Annotated[int, Field(ge=10)] = 2000
    """How many "solids": continuous parameters, drawn at random, are functions of a shape's number."""
    points: Annotated[int, Field(ge=256)] = 16_384
    """Points prepared of each shape, half of them near its surface."""
    shared: bool = False
    """Infer latents from values at 4,096 points that all shapes share, instead of from each shape's own points."""
    held_out: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    """Share of shapes held out for validation, and again for testing; 0 trains, validates and tests on all shapes."""
    repair: Repair = "none"
    """"watertight" replaces meshes that are open or double-sided by the space that they enclose."""
    cells: Annotated[int, Field(ge=8)] = 32
    """Cells along each axis when shapes are decoded."""
    cache: Annotated[str, IsPath()] = "data/points"
    """Folder of the prepared points."""
    skip_bad: bool = False
    """Skip meshes that cannot be used, and report how many."""

    @abstractmethod
    def signed_field(self, values: Tensor) -> Tensor:
        """Values mapped so that they are above zero inside."""

    @property
    @abstractmethod
    def needs_distance(self) -> bool:
        """Whether values are more than which points are inside."""

    @abstractmethod
    def values_from_sdf(self, distance: Tensor) -> Tensor:
        """Values of signed distances in normalized units, negative inside."""

    @property
    def channels(self) -> int:
        return 1

    def grid(self, resolution: int | None = None) -> Grid:
        corners = (resolution or self.cells) + 1
        return Grid.corners(corners, corners, corners)

    def dataset(self, split: Split) -> SignalDataset:
        if self.data == "solids" and not self.needs_distance:
            classes = self._classes([synthetic.shape_name(number) for number in range(self.count)])
            return SolidDataset(self._split_index(split, self.count), self.points, classes, self.shared)
        cache = self.point_cache(quiet=split != "train")
        folder = None if self.data == "solids" else Path(self.data)
        index = self._split_index(split, len(cache.names), cache.names if folder else None)
        parts = (cache, index, self.values_from_sdf, self._classes(cache.names), folder)
        return SharedPointShapeDataset(*parts, load_shared_distances(cache)) if self.shared else ShapeDataset(*parts)

    def point_cache(self, quiet: bool = False) -> PointCache:
        """The points of all meshes, computed where they are not in the cache yet; `quiet` shows no progress bar.

        Raises:
            GonkitError: there are no meshes, or some cannot be used; they are listed.
        """
        sources, title = self._sources(), "solids" if self.data == "solids" else Path(self.data).name or "meshes"
        cache = build_point_cache(sources, Path(self.cache), title, points=self.points, repair=self.repair, quiet=quiet)
        report_skipped_files(cache.problems, len(sources), "meshes", self.skip_bad and bool(cache.names))
        return cache

    def _split_index(self, split: Split, total: int, names: Sequence[str] | None = None) -> Tensor:
        """Numbers of the shapes of a split, of `total`, which may be files of some names."""
        shares = (self.held_out, self.held_out)
        if not shares[0]:
            return torch.arange(total)
        if names is not None:
            return folder_split(Path(self.data), names, split, shares)
        try:
            return split_indices(total, split, shares)
        except GonkitError as error:
            raise GonkitError(f"{self.data}: {error}; or set signal.held_out = 0 to train on all of them") from None

    def to_object(self, values: Tensor, resolution: int | None = None) -> Surface:
        dense = self.signed_field(values[..., 0].float().cpu())
        volume = dense.permute(2, 1, 0)[None, None].contiguous()  # grid_sample takes x as the last axis

        def field(points: Tensor) -> Tensor:
            return functional.grid_sample(volume, points.view(1, -1, 1, 1, 3), align_corners=True).flatten()

        return extract_surface(field, len(dense) - 1)

    def decode_objects(self, decode: DecodeFn, count: int, resolution: int | None = None) -> list[Surface]:
        """Surfaces of `count` latents, decoded only where a surface is near."""

        def field(number: int, points: Tensor) -> Tensor:
            return self.signed_field(decode(points, slice(number, number + 1))[0, :, 0].cpu())

        return [extract_surface(partial(field, number), resolution or self.cells) for number in range(count)]

    def preview(self, obj: Surface) -> pillow.Image:
        return render_preview(obj)

    def place(self, obj: Surface, transform: Normalization | None) -> Surface:
        return obj.with_normalization(transform)

    @property
    def files(self) -> ShapeFiles:
        return ShapeFiles(self.to_object, self.preview, self.values_from_sdf, self.points, self.shared, self.repair)

    @property
    def display(self) -> ShapeDisplay:
        return ShapeDisplay()

    @property
    def measures(self) -> ShapeMeasures:
        return ShapeMeasures(self.signed_field)

    def _sources(self) -> list[MeshSource]:
        if self.data == "solids":
            return [_synthetic_source(number) for number in range(self.count)]
        folder = Path(self.data)
        paths = files_in(folder, SUFFIXES, "meshes", alternatives=("solids",))
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        names = [path.relative_to(folder).as_posix() for path in paths]
        loads = (partial(read_mesh, path) for path in paths)
        return [MeshSource(*parts) for parts in zip(names, digests, loads, strict=True)]

    def _classes(self, names: list[str]) -> Classes:
        if self.data == "solids":
            names = [name.replace(" ", "/") for name in names]  # as if each class had a folder
        return folder_classes(names)


class Occupancy(Shape):
    """1 inside, 0 outside; the field predicts logits, between which surfaces are interpolated."""

    @property
    def default_losses(self) -> DefaultLosses:
        return DefaultLosses("bce", {"bce": 1.0})

    @property
    def needs_distance(self) -> bool:
        return False

    def signed_field(self, values: Tensor) -> Tensor:
        return torch.logit(values.clamp(EPSILON, 1 - EPSILON))

    def values_from_sdf(self, distance: Tensor) -> Tensor:
        return (distance < 0).float()


class Distance(Shape):
    """Signed distance to the surface divided by 0.1, negative inside, truncated at ±1."""

    value_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @property
    def default_losses(self) -> DefaultLosses:
        own = {"truncated": TruncatedL1Loss(), "eikonal": EikonalLoss()}
        return DefaultLosses("mse", {"truncated": 1.0}, own)

    @property
    def needs_distance(self) -> bool:
        return True

    def signed_field(self, values: Tensor) -> Tensor:
        return -values

    def values_from_sdf(self, distance: Tensor) -> Tensor:
        return (distance / TRUNCATION).clamp(-1, 1)


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
        mesh = read_mesh(path)
        report = inspect_mesh(mesh)
        if self.repair == "watertight" and report.advice:
            mesh = make_watertight(mesh)
        elif not report.solid:
            raise GonkitError(f"{path}: {report.advice}")
        if self.shared:
            rows = distances_at(mesh, shared_points().double().numpy())
        else:
            rows = sample_sdf_points(mesh, self.points, numpy.random.default_rng(0))
        coords, distance = torch.from_numpy(rows).split([3, 1], 1)
        return Sample(self.to_values(distance), coords=coords, name=path.stem, transform=mesh.normalization)

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


def _synthetic_source(number: int) -> MeshSource:
    digest = hashlib.sha256(f"solid {number} of version 2".encode()).hexdigest()
    return MeshSource(synthetic.shape_name(number), digest, synthetic.make_solid(number).mesh)
