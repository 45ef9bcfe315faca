"""Data sets of shapes: latents are inferred from points of each shape's own, or from points that all shapes share."""

from __future__ import annotations

__all__ = [
    "NUM_ENCODE_POINTS",
    "ShapeDataset",
    "SharedPointShapeDataset",
    "SolidDataset",
    "load_shared_distances",
    "shared_points",
]

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Self

import numpy
import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import DatasetInfo, HDF5Rows, InMemoryDataset, Pair, SignalDataset, files_below
from gonkit.errors import reading
from gonkit.files import atomic_path
from signals.shape.isosurface import Surface, surface_from_mesh
from signals.shape.mesh import HALF_EXTENT, Mesh, Normalization, signed_distance
from signals.shape.point_cache import NUM_EVAL_POINTS, PointCache, load_cached_mesh
from signals.shape.synthetic import make_solid

NUM_ENCODE_POINTS = 4096  # from which latents are inferred when evaluating, and always where they are shared
SHARED_HALF_EXTENT = 1.05 * HALF_EXTENT  # of the cube that the shared points fill
POINTS_SEED = 8  # of points of solids, beside their numbers
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
        classes: of all meshes of the cache, as `LabeledFolder.classes` gives them.
        note: on files that are not used.
        folder: of the meshes; None if they are no files.
    """

    def __init__(
        self,
        cache: PointCache,
        index: Tensor,
        to_values: Callable[[Tensor], Tensor],
        classes: Classes = ((), None),
        note: str = "",
        folder: Path | None = None,
    ) -> None:
        self.cache, self.to_values = cache, to_values
        self.rows = torch.tensor(cache.rows)[index]
        self.training, self.evaluation = (HDF5Rows(cache.path, name) for name in ("points", "evaluation"))
        class_names, labels = classes
        names = [cache.names[i] for i in index.tolist()]
        self.info = DatasetInfo(
            names=names,
            labels=None if labels is None else torch.tensor(labels)[index],
            class_names=class_names,
            note=note,
            files=None if folder is None else files_below(folder, [folder / name for name in names]),
        )

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Batch:
        return self._read(self.training, index)

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        if evaluate:
            return Pair(self.evaluation_input(index), self._read(self.evaluation, index))
        batch = self.batch(index)
        return Pair(batch, batch)

    def evaluation_input(self, index: Tensor) -> Batch:
        return _first_points(self.batch(index))

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
    """Shapes whose latents are inferred from values at `shared_points`, kept in memory.

    Args:
        cache: the points of all meshes.
        index: (N,) int64 which meshes of the cache belong to the split.
        to_values: values of signed distances in normalized units, negative inside.
        classes: of all meshes of the cache, as `LabeledFolder.classes` gives them.
        note: on files that are not used.
        folder: of the meshes; None if they are no files.
        distances: (M, P) signed distances of all M meshes of the cache at the shared points.
        classes: of all meshes of the cache, as `LabeledFolder.classes` gives them.
        note: on files that are not used.
    """

    def __init__(
        self,
        cache: PointCache,
        index: Tensor,
        to_values: Callable[[Tensor], Tensor],
        distances: Tensor,
        classes: Classes = ((), None),
        note: str = "",
        folder: Path | None = None,
    ) -> None:
        super().__init__(cache, index, to_values, classes, note, folder)
        self.shared = Batch(shared_points(), to_values(distances[index]).unsqueeze(-1), label=self.info.labels)

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        target = self._read(self.evaluation, index) if evaluate else self.batch(index)
        return Pair(self.shared[index], target)

    def evaluation_input(self, index: Tensor) -> Batch:
        return self.shared[index]


class SolidDataset(InMemoryDataset):
    """Occupancy of synthetic solids, computed in closed form and kept in memory; meshes are made where they are asked.

    Latents are inferred and predictions are measured at the same kinds of points as those of `ShapeDataset` and
    `SharedPointShapeDataset`, but all solids share the 20,000 evaluation points.

    Args:
        index: (N,) int64 numbers of the solids.
        points: P, of each solid, half of them near its surface.
        classes: of all solids, as `LabeledFolder.classes` gives them.
        shared: whether latents are inferred from values at `shared_points`.
    """

    def __init__(self, index: Tensor, points: int, classes: Classes, shared: bool = False) -> None:
        self.solids = [make_solid(number) for number in index.tolist()]
        sampled = [
            solid.sample_points(points, numpy.random.default_rng((POINTS_SEED, number)))
            for number, solid in zip(index.tolist(), self.solids, strict=True)
        ]
        coords, inside = (torch.from_numpy(numpy.stack(rows)) for rows in zip(*sampled, strict=True))
        class_names, labels = classes
        info = DatasetInfo([solid.name for solid in self.solids], torch.tensor(labels)[index], class_names)
        super().__init__(Batch(coords.float(), inside.unsqueeze(-1).float(), label=info.labels), info)
        self.shared = self._at(shared_points(), torch.arange(len(index))) if shared else None
        uniform = numpy.random.default_rng(0).uniform(-1, 1, (NUM_EVAL_POINTS, 3))
        self.evaluation_points = torch.from_numpy(uniform).float()

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        if evaluate:
            return Pair(self.evaluation_input(index), self._at(self.evaluation_points, index))
        batch = self.batch(index)
        return Pair(batch if self.shared is None else self.shared[index], batch)

    def evaluation_input(self, index: Tensor) -> Batch:
        return _first_points(self.batch(index)) if self.shared is None else self.shared[index]

    def to(self, device: torch.device) -> Self:
        moved = super().to(device)
        moved.shared = None if self.shared is None else self.shared.to(moved.data.values.device)
        return moved

    def references(self, index: Tensor) -> list[Surface]:
        return [surface_from_mesh(self.solids[number].mesh()) for number in index.tolist()]

    def transforms(self, index: Tensor) -> list[Normalization]:
        return [self.solids[number].normalization for number in index.tolist()]

    def _at(self, coords: Tensor, index: Tensor) -> Batch:
        """The solids `index` (B,) at coords (P, 3)."""
        points = coords.double().numpy()
        inside = numpy.stack([self.solids[number].contains(points) for number in index.tolist()])
        label = None if self.info.labels is None else self.info.labels[index]
        return Batch(coords, torch.from_numpy(inside).unsqueeze(-1).float(), label=label)


def _first_points(batch: Batch) -> Batch:
    """At most 4,096 of each shape's own points, a random sample because points are shuffled."""
    return batch.at_points(torch.arange(min(NUM_ENCODE_POINTS, batch.values.shape[1])))


@cache
def shared_points() -> Tensor:
    """(4096, 3) points that fill the cube around a normalized mesh evenly, the same for every data set.

    A scrambled Sobol' sequence: Owen, Scrambling Sobol' and Niederreiter–Xing Points (1998).
    """
    unit = torch.quasirandom.SobolEngine(3, scramble=True, seed=0).draw(NUM_ENCODE_POINTS)
    return (2 * unit - 1) * SHARED_HALF_EXTENT


def load_shared_distances(cache: PointCache) -> Tensor:
    """(M, P) signed distances of all M meshes of a cache at `shared_points`.

    They are computed once and kept in a file beside the cache.
    """
    points = shared_points().double().numpy()
    key = (cache.path.stat().st_mtime_ns, cache.rows, points.tobytes())
    path = cache.path.with_name(f"{cache.path.stem}-shared-{hashlib.sha256(repr(key).encode()).hexdigest()[:8]}.npy")
    if not path.exists():
        distances = [signed_distance(load_cached_mesh(cache.path, row), points)[0] for row in cache.rows]
        with atomic_path(path) as temporary:
            numpy.save(temporary, numpy.stack(distances).astype(numpy.float32))
    with reading(path, "signed distances", "remove it, and it is made anew"):
        stored = numpy.load(path, mmap_mode="r", allow_pickle=False)
        if stored.shape != (len(cache.rows), len(points)):
            raise ValueError(f"({len(cache.rows)}, {len(points)}) are wanted; got {stored.shape}")
        return torch.from_numpy(numpy.array(stored, numpy.float32))
