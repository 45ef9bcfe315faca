"""Data sets of shapes: values at points of each shape's own, or at points that all shapes share."""

from __future__ import annotations

__all__ = ["NUM_ENCODE_POINTS", "ShapeDataset", "SharedPointShapeDataset", "SolidDataset", "load_shared_points"]

import hashlib
from collections.abc import Callable, Sequence

import h5py
import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import DatasetInfo, HDF5Rows, InMemoryDataset, Pair, SignalDataset, report_skipped_files
from gonkit.files import atomic_path
from signals.shape.isosurface import Surface, surface_from_mesh
from signals.shape.mesh import Mesh, Normalization, signed_distance
from signals.shape.point_cache import NUM_EVAL_POINTS, PointCache, load_cached_mesh
from signals.shape.solids import Solid
from signals.shape.synthetic import CLASSES, make_solid

NUM_ENCODE_POINTS = 4096  # from which latents are inferred when evaluating
Classes = tuple[tuple[str, ...], Sequence[int] | None]
"""Class names, and the label of each mesh of a cache, or None."""


class ShapeDataset(SignalDataset):
    """Shapes at points of their own, which are read from the cache when they are needed.

    When evaluating, latents are inferred from the first 4,096 points, which are a random sample because points are
    shuffled, and predictions are measured at the 20,000 evaluation points.

    Args:
        cache: the points of all meshes.
        index: (N,) int64 which meshes of the cache belong to the split.
        to_values: values of signed distances in normalized units, negative inside.
        classes: of all meshes of the cache, as `folder_classes` gives them.
    """

    def __init__(
        self, cache: PointCache, index: Tensor, to_values: Callable[[Tensor], Tensor], classes: Classes = ((), None)
    ) -> None:
        self.cache, self.to_values = cache, to_values
        self.rows = torch.tensor(cache.rows)[index]
        self.training, self.evaluation = (HDF5Rows(cache.path, name) for name in ("points", "evaluation"))
        class_names, labels = classes
        self.info = DatasetInfo(
            names=[cache.names[i] for i in index.tolist()],
            labels=None if labels is None else torch.tensor(labels)[index],
            class_names=class_names,
            note=report_skipped_files(cache.problems, len(cache.names) + len(cache.problems), "meshes", skip=True),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Batch:
        return self._read(self.training, index)

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        batch = self.batch(index)
        if not evaluate:
            return Pair(batch, batch)
        count = min(NUM_ENCODE_POINTS, batch.values.shape[1])
        return Pair(batch.at_points(torch.arange(count)), self._read(self.evaluation, index))

    def references(self, index: Tensor) -> list[Surface]:
        return [surface_from_mesh(mesh) for mesh in self._meshes(index)]

    def transforms(self, index: Tensor) -> list[Normalization]:
        return [mesh.normalization for mesh in self._meshes(index)]

    def _meshes(self, index: Tensor) -> list[Mesh]:
        return [load_cached_mesh(self.cache.path, row) for row in self.rows[index].tolist()]

    def _read(self, stored: HDF5Rows, index: Tensor) -> Batch:
        points = torch.from_numpy(numpy.stack([stored[row] for row in self.rows[index].tolist()]))  # (B, P, 4)
        label = None if self.info.labels is None else self.info.labels[index]
        return Batch(points[..., :3], self.to_values(points[..., 3:]), label=label)


class SharedPointShapeDataset(ShapeDataset):
    """Shapes at points that all of them share, kept in memory. They are evaluated at the 20,000 evaluation points.

    Args:
        cache: the points of all meshes.
        index: (N,) int64 which meshes of the cache belong to the split.
        to_values: values of signed distances in normalized units, negative inside.
        classes: of all meshes of the cache, as `folder_classes` gives them.
        points: (3 + M, P) coordinates of the shared points, and the signed distances of all M meshes of the cache.
    """

    def __init__(
        self,
        cache: PointCache,
        index: Tensor,
        to_values: Callable[[Tensor], Tensor],
        classes: Classes,
        points: Tensor,
    ) -> None:
        super().__init__(cache, index, to_values, classes)
        values = to_values(points[3:][index]).unsqueeze(-1)
        self.memory = InMemoryDataset(Batch(points[:3].T.contiguous(), values, label=self.info.labels), self.info)

    def batch(self, index: Tensor) -> Batch:
        return self.memory.batch(index)

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        batch = self.batch(index)
        return Pair(batch, self._read(self.evaluation, index) if evaluate else batch)


class SolidDataset(InMemoryDataset):
    """Occupancy of synthetic solids, computed in closed form and kept in memory; meshes are made where they are asked.

    When evaluating, latents are inferred from the first 4,096 points, and predictions are measured at 20,000 uniform
    points that all solids share.

    Args:
        count: of the solids of all splits.
        index: (N,) int64 which of them belong to the split.
        points: P, of each solid, half of them near its surface.
        shared: gives all solids values at the same points, taken evenly from the first P solids, or all of them.
    """

    def __init__(self, count: int, index: Tensor, points: int, shared: int = 0) -> None:
        numbers = index.tolist()
        self.solids = [make_solid(number) for number in numbers]
        sampled = [_sample_solid(solid, number, points) for solid, number in zip(self.solids, numbers, strict=True)]
        coords, inside = (torch.from_numpy(numpy.stack(rows)) for rows in zip(*sampled, strict=True))
        names, label = [solid.name for solid in self.solids], index % len(CLASSES)
        super().__init__(
            Batch(coords, inside.unsqueeze(-1).float(), label=label), DatasetInfo(names, class_names=CLASSES)
        )
        uniform = numpy.random.default_rng(0).uniform(-1, 1, (NUM_EVAL_POINTS, 3)).astype(numpy.float32)
        self.evaluation_points = torch.from_numpy(uniform)
        self.shared: Batch | None = None
        if shared:
            sources = range(min(count, shared))
            each = -(-shared // len(sources)) * 2
            pool = numpy.concatenate([_sample_solid(make_solid(number), number, each)[0] for number in sources])
            points_ = torch.from_numpy(numpy.random.default_rng(0).permutation(pool)[:shared])
            values = self._occupancy(torch.arange(len(index)), points_)
            self.shared = Batch(points_, values, label=label)

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        batch = self.batch(index)
        inputs = batch if self.shared is None else self.shared[index]
        if not evaluate:
            return Pair(inputs, batch)
        if self.shared is None:
            inputs = batch.at_points(torch.arange(min(NUM_ENCODE_POINTS, batch.values.shape[1])))
        values = self._occupancy(index, self.evaluation_points)
        return Pair(inputs, Batch(self.evaluation_points, values, label=batch.label))

    def references(self, index: Tensor) -> list[Surface]:
        return [surface_from_mesh(self.solids[number].mesh()) for number in index.tolist()]

    def transforms(self, index: Tensor) -> list[Normalization]:
        return [self.solids[number].normalization for number in index.tolist()]

    def _occupancy(self, index: Tensor, coords: Tensor) -> Tensor:
        """(B, P, 1) of the solids `index` at coords (P, 3)."""
        inside = [self.solids[number].contains(coords.double().numpy()) for number in index.tolist()]
        return torch.from_numpy(numpy.stack(inside)).unsqueeze(-1).float()


def _sample_solid(solid: Solid, number: int, count: int) -> tuple[NDArray[numpy.float32], NDArray[numpy.bool_]]:
    """Points (count, 3) of solid `number` and which are inside."""
    points, inside = solid.sample_points(count, numpy.random.default_rng((8, number)))
    return points.astype(numpy.float32), inside


def load_shared_points(cache: PointCache, count: int) -> Tensor:
    """(3 + M, P) points taken evenly from all M meshes of a cache, and the meshes' signed distances there.

    They are computed once and kept in a file beside the cache.

    Args:
        cache: the points of all meshes.
        count: P.
    """
    digest = hashlib.sha256(repr((cache.path.stat().st_mtime_ns, cache.rows)).encode()).hexdigest()[:8]
    path = cache.path.with_name(f"{cache.path.stem}-shared-{digest}.npy")
    if not path.exists():
        with h5py.File(cache.path, "r") as file:
            each = -(-count // len(cache.rows))
            points = numpy.concatenate([file["points"][row, :each, :3] for row in cache.rows])
        points = numpy.random.default_rng(0).permutation(points)[:count]
        distances = [signed_distance(load_cached_mesh(cache.path, row), points)[0] for row in cache.rows]
        with atomic_path(path) as temporary:
            numpy.save(temporary, numpy.concatenate([points.T, numpy.stack(distances)]).astype(numpy.float32))
    return torch.from_numpy(numpy.load(path, allow_pickle=False))
