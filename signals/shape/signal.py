"""Shapes: what is inside a mesh, or the distance to its surface, at points in space."""

from __future__ import annotations

__all__ = ["Distance", "Occupancy", "Shape"]

import hashlib
from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Self

import torch
from PIL import Image as pillow
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from gonkit.data import (
    DecodeFn,
    DefaultLosses,
    Grid,
    IsPath,
    LabeledFolder,
    LabelRule,
    OwnRecipesOnly,
    Sections,
    Signal,
    SignalDataset,
    Split,
    split_indices,
)
from signals.shape import synthetic
from signals.shape.datasets import (
    Classes,
    ShapeDataset,
    SharedPointShapeDataset,
    SolidDataset,
    load_shared_distances,
)
from signals.shape.files import ShapeFiles
from signals.shape.isosurface import Surface, extract_surface
from signals.shape.losses import TRUNCATION, EikonalLoss, TruncatedL1Loss
from signals.shape.mesh import SUFFIXES, Normalization
from signals.shape.metrics import ShapeMeasures
from signals.shape.point_cache import (
    MeshSource,
    PointCache,
    Repair,
    build_point_cache,
    mesh_sources,
)
from signals.shape.preview import ShapeDisplay, render_preview

EPSILON = 1e-6  # of probabilities: their logits are within ±13.8


class Shape(Signal, ABC):
    """Meshes, scaled so that their longest side is 1.8 of the 2 units of [-1, 1]; use `Occupancy` or `Distance`.

    Grid points are the corners of cells.
    """

    prepares_data: ClassVar[bool] = True

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
    label: LabelRule = None
    """What labels the meshes of a folder: the first folder below those of splits; "folder:2" or "folder:-1", another
    one; a pattern of their names such as "{label}_{take}"; or a .csv file with the columns file and label."""
    cells: Annotated[int, Field(ge=8)] = 32
    """Cells along each axis when shapes are decoded."""
    cache: Annotated[str, IsPath(), OwnRecipesOnly()] = "data/points"
    """Folder of the prepared points."""
    skip_bad: bool = False
    """Skip meshes that cannot be used, and report how many."""

    @model_validator(mode="after")
    def _validate_label(self) -> Self:
        if self.data == "solids" and self.label is not None:
            raise ValueError('label: says how a folder is labeled; "solids" has labels of its own')
        return self

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
            index = self._split_solids(split)
            return SolidDataset(index, self.points, self._solid_classes(), self.shared)
        cache = self.point_cache(quiet=split != "train")
        folder = None if self.data == "solids" else Path(self.data)
        if folder is None:
            index, classes, note = self._split_solids(split), self._solid_classes(), ""
        else:
            found, shares = self._find(), (self.held_out, self.held_out)
            index = found.split(cache.names, split, shares) if self.held_out else torch.arange(len(cache.names))
            classes, note = found.classes(cache.names), found.note(cache.problems, skip=True)
        if self.shared:
            distances = load_shared_distances(cache)
            return SharedPointShapeDataset(cache, index, self.values_from_sdf, distances, classes, note, folder)
        return ShapeDataset(cache, index, self.values_from_sdf, classes, note, folder)

    def point_cache(self, quiet: bool = False) -> PointCache:
        """The points of all meshes, computed where they are not in the cache yet; `quiet` shows no progress bar.

        Raises:
            GonkitError: there are no meshes, or some cannot be used; they are listed.
        """
        title = "solids" if self.data == "solids" else Path(self.data).name or "meshes"
        found = None if self.data == "solids" else self._find()
        sources = [_synthetic_source(number) for number in range(self.count)] if found is None else mesh_sources(found)
        cache = build_point_cache(sources, Path(self.cache), title, points=self.points, repair=self.repair, quiet=quiet)
        if found is not None:
            found.note(cache.problems, self.skip_bad and bool(cache.names))  # raises
        return cache

    def _find(self) -> LabeledFolder:
        return LabeledFolder.find(Path(self.data), SUFFIXES, "meshes", self.label, ("solids",))

    def _split_solids(self, split: Split) -> Tensor:
        """Numbers of the synthetic solids of a split."""
        if not self.held_out:
            return torch.arange(self.count)
        return split_indices(self.count, split, (self.held_out, self.held_out))

    def _solid_classes(self) -> Classes:
        names = [synthetic.shape_name(number).replace(" ", "/") for number in range(self.count)]
        return LabeledFolder.of(Path(self.data), names, "solids").classes(names)  # as if each class had a folder

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
    def suggested_recipe(self) -> Sections:
        return {
            "signal": {"shared": True},
            "field": {"width": 128, "omega": 10.0, "latent": "all"},
            "latent": {"dim": 64, "refine": 3},
            "train": {"steps": 1800, "batch": 16, "points": 2048, "optimizer": "muon", "learning_rate": 2e-3},
        }

    @property
    def files(self) -> ShapeFiles:
        return ShapeFiles(self.to_object, self.preview, self.values_from_sdf, self.points, self.shared, self.repair)

    @property
    def display(self) -> ShapeDisplay:
        return ShapeDisplay()

    @property
    def measures(self) -> ShapeMeasures:
        return ShapeMeasures(self.signed_field)


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


def _synthetic_source(number: int) -> MeshSource:
    digest = hashlib.sha256(f"solid {number} of version 2".encode()).hexdigest()
    return MeshSource(synthetic.shape_name(number), digest, synthetic.make_solid(number).mesh)
