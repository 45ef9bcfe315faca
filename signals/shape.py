"""Shapes: what is inside a mesh, or how far its surface is, at points of space."""

from __future__ import annotations

__all__ = ["Distance", "Eikonal", "Occupancy", "Shape", "Truncated"]

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import h5py
import numpy
import torch
from PIL import Image as pillow
from pydantic import Field
from torch import Tensor

from gonkit.checkpoint import write_atomically
from gonkit.losses import Loss, Pointwise
from gonkit.signal import (
    Batch,
    Decode,
    Prediction,
    Resident,
    Sample,
    Signal,
    SignalError,
    SignalSet,
    Split,
    note_bad,
    split_indices,
)
from signals import solids
from signals.meshes import SUFFIXES, Frame, Mesh, check_mesh, close_mesh, read_mesh, signed_distance
from signals.points import Prepared, Repair, Source, on_surface, prepare, sampled_points, stored_mesh
from signals.surface import Surface, extract, preview, surface_of
from signals.surfaces import compare_surfaces

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

OBSERVED = 4096  # points of its own that a shape is encoded from, once trained
BAND = 0.1  # distances farther than this from the surface are cut off, in units of the frame
WHERE = Frame((0.0, 0.0, 0.0), 1.0)  # of meshes that stay in the field's own frame


class Shape(Signal):
    """Meshes in a frame of [-1, 1] that their longest side fills to nine tenths; grids count *corners*.

    Use `Occupancy` or `Distance`.
    """

    coord_dim: ClassVar[int] = 3
    suffixes: ClassVar[tuple[str, ...]] = (".glb", ".obj", ".ply", ".stl")
    reads: ClassVar[frozenset[str]] = frozenset(SUFFIXES)
    pictured: ClassVar[bool] = False

    data: str = "solids"
    """"solids" (240 vases, tables and towers, embedded), or a folder of meshes."""
    points: Annotated[int, Field(ge=256)] = 16_384
    """Points prepared of each shape, half of them near its surface."""
    shared: bool = False
    """Values of all shapes at the same points, taken from all their surfaces, instead of each at its own."""
    held_out: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    """Share of shapes kept to validate, and again to test; 0 trains, validates and tests on all of them."""
    repair: Repair = "none"
    """"watertight" replaces meshes that are open or double-sided by what they enclose."""
    cells: Annotated[int, Field(ge=8)] = 32
    """Cells along each axis when shapes are drawn or saved."""
    cache: str = "data/points"
    """Folder of the prepared points."""
    skip_bad: bool = False
    """Leave out meshes that cannot be used, and say how many."""

    @property
    def channels(self) -> int:
        return 1

    def absolute(self) -> Self:
        paths = {"cache": str(Path(self.cache).resolve())}
        return self.model_copy(
            update=paths if self.data == "solids" else paths | {"data": str(Path(self.data).resolve())}
        )

    def grid(self, resolution: int | None = None) -> tuple[int, int, int]:
        return ((resolution or self.cells) + 1,) * 3

    def coords(self, resolution: int | None = None) -> Tensor:
        axis = torch.linspace(-1, 1, (resolution or self.cells) + 1)
        return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).flatten(0, 2)

    def dataset(self, split: Split) -> SignalSet:
        prepared = self.prepared(quiet=split != "train")
        count = len(prepared.names)
        index = torch.arange(count)
        if self.held_out:
            try:
                index = split_indices(count, split, (self.held_out, self.held_out))
            except SignalError as error:
                raise SignalError(f"{self.data}: {error}; or signal.held_out = 0 to learn them all") from None
        if self.shared:
            return self._pooled(prepared, index)
        return Stored(self, prepared, index.tolist())

    def prepared(self, quiet: bool = False) -> Prepared:
        """The points of all meshes, computed where they are not in the cache.

        Raises:
            SignalError: no meshes, or some that cannot be used, all named.
        """
        sources = self._sources()
        found = prepare(sources, Path(self.cache), self._title(), points=self.points, repair=self.repair, quiet=quiet)
        note_bad(found.bad, len(sources), "meshes", self.skip_bad and bool(found.names))
        return found

    def made(self, decode: Decode, count: int, resolution: int | None = None) -> list[Surface]:
        def field(number: int, points: Tensor) -> Tensor:
            return self.level(decode(points, slice(number, number + 1))[0, :, 0].cpu())

        return [extract(partial(field, number), resolution or self.cells) for number in range(count)]

    def render(self, values: Tensor, resolution: int | None = None) -> Surface:
        """The surface in values on the whole grid."""
        dense = self.level(values[..., 0].float().cpu())
        size = len(dense) - 1

        def field(points: Tensor) -> Tensor:
            volume = dense.permute(2, 1, 0)[None, None].contiguous()
            places = points.view(1, -1, 1, 1, 3)
            return torch.nn.functional.grid_sample(volume, places, align_corners=True).flatten()

        return extract(field, size)

    @abstractmethod
    def level(self, values: Tensor) -> Tensor:
        """Values, above zero inside."""

    @abstractmethod
    def from_distance(self, distance: Tensor) -> Tensor:
        """Values of signed distances in units of the frame, negative inside."""

    def picture(self, thing: Surface) -> pillow.Image:
        return preview(thing)

    def load(self, path: Path) -> Sample:
        mesh = read_mesh(path)
        about = check_mesh(mesh)
        if self.repair == "watertight" and about.advice:
            mesh = close_mesh(mesh)
        elif not about.solid:
            raise SignalError(f"{path}: {about.advice}")
        rows = torch.from_numpy(sampled_points(mesh, self.points, numpy.random.default_rng(0)))
        return Sample(self.from_distance(rows[:, 3:]), coords=rows[:, :3], name=path.stem, frame=mesh.frame)

    def placed(self, thing: Surface, sample: Sample) -> Surface:
        return thing.placed(sample.frame)

    def save(self, thing: Surface, stem: Path, suffix: str | None = None) -> Path:
        """Writes a mesh; a `.png` suffix writes a picture of it."""
        path = stem.with_name(stem.name + (suffix or self.suffixes[0]))
        try:
            mesh = thing.mesh()
        except SignalError as error:
            raise SignalError(f"{path}: not written: {error}") from None
        made = mesh.export(file_type=path.suffix.removeprefix("."))
        write_atomically(path, made.encode() if isinstance(made, str) else made)
        return path

    def log(self, writer: SummaryWriter, tag: str, thing: Surface, step: int) -> None:
        if len(thing.faces):
            vertices, faces = torch.from_numpy(thing.vertices).float(), torch.from_numpy(thing.faces)
            writer.add_mesh(tag, vertices[None], faces=faces[None].int(), global_step=step)

    def html(self, path: str) -> str:
        return f'<a href="{path}">{Path(path).name}</a>'

    def point_set(self, thing: Surface, count: int) -> Tensor:
        """Points spread evenly over the surface; all of them in the middle where there is none."""
        if not len(thing.faces):
            return torch.zeros(count, 3)
        points, _ = on_surface(Mesh(thing.vertices, thing.faces, WHERE), count, numpy.random.default_rng(0))
        return torch.from_numpy(points).float()

    def check(self, path: Path) -> Mapping[str, str]:
        mesh = read_mesh(path)
        about = check_mesh(mesh)
        return {
            "faces": f"{about.faces:,}",
            "closed": "yes" if about.closed else "no",
            "inside": f"{about.inside:.1%}",
            "doubtful": f"{about.doubtful:.2%}",
            "verdict": about.advice or "good",
        }

    def metrics(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        def iou(prediction: Tensor, values: Tensor) -> Tensor:
            a, b = (self.level(t.flatten(1)) > 0 for t in (prediction, values))
            return (a & b).sum(1) / (a | b).sum(1).clamp_min(1)

        return {"iou": iou}

    def _title(self) -> str:
        return "solids" if self.data == "solids" else Path(self.data).name or "meshes"

    def _sources(self) -> list[Source]:
        if self.data == "solids":
            digests = [hashlib.sha256(f"solid {n} of version 1".encode()).hexdigest() for n in range(solids.COUNT)]
            return [Source(solids.solid_name(n), digest, partial(solids.solid, n)) for n, digest in enumerate(digests)]
        folder = Path(self.data)
        if not folder.is_dir():
            raise SignalError(f"{folder}: no such folder; signal.data must be solids or a folder of meshes")
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not paths:
            raise SignalError(f"{folder}: no meshes in it or below ({', '.join(sorted(SUFFIXES))})")
        return [
            Source(str(p.relative_to(folder)), hashlib.sha256(p.read_bytes()).hexdigest(), partial(read_mesh, p))
            for p in paths
        ]

    def _class_of(self, name: str) -> str:
        """From the embedded family's kinds or from sub-folders, empty where there is none."""
        if self.data == "solids":
            return name.split()[0]
        inside = Path(name).parts
        return inside[0] if len(inside) > 1 else ""

    def _pooled(self, prepared: Prepared, index: Tensor) -> Pooled:
        """All shapes at points taken evenly from all of them; computed once and kept."""
        digest = hashlib.sha256(repr((prepared.path.stat().st_mtime_ns, prepared.rows)).encode()).hexdigest()[:8]
        path = prepared.path.with_name(f"{prepared.path.stem}-pool-{digest}.npy")
        if not path.exists():
            with h5py.File(prepared.path, "r") as file:
                each = -(-self.points // len(prepared.rows))
                pool = numpy.concatenate([file["points"][row, :each, :3] for row in prepared.rows])
            pool = numpy.random.default_rng(0).permutation(pool)[: self.points]
            columns = [signed_distance(stored_mesh(prepared.path, row), pool)[0] for row in prepared.rows]
            table = numpy.concatenate([pool.T, numpy.stack(columns)]).astype(numpy.float32)  # (3 + N, P)
            with path.with_suffix(".tmp").open("wb") as file:
                numpy.save(file, table)
            path.with_suffix(".tmp").replace(path)
        stored = torch.from_numpy(numpy.load(path, allow_pickle=False))
        return Pooled(self, prepared, index.tolist(), stored)


class Occupancy(Shape):
    """1 inside, 0 outside; the field gives logits."""

    inner: ClassVar[str] = "bce"
    outer: ClassVar[Mapping[str, float]] = {"bce": 1.0}

    def level(self, values: Tensor) -> Tensor:
        return values - 0.5

    def from_distance(self, distance: Tensor) -> Tensor:
        return (distance < 0).float()


class Distance(Shape):
    """Signed distance in units of a band of 0.1 about the surface, negative inside, cut off at ±1."""

    value_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    inner: ClassVar[str] = "mse"
    outer: ClassVar[Mapping[str, float]] = {"truncated": 1.0}

    def level(self, values: Tensor) -> Tensor:
        return -values

    def from_distance(self, distance: Tensor) -> Tensor:
        return (distance / BAND).clamp(-1, 1)

    def losses(self) -> Mapping[str, Loss]:
        return {"truncated": Truncated(), "eikonal": Eikonal()}


class Truncated(Pointwise):
    """|F − x|, but nothing where x is cut off at ±1 and F goes beyond it: Park et al., DeepSDF (2019), equation 4.

    Reads values as they are: with `field.standardize = false`.
    """

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction.clamp(-1, 1) - target).abs()

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.new_zeros((1, 1, 1))


class Eikonal(Loss):
    """(|∇F| · band − 1)², mean over points within the band: Gropp et al., Implicit Geometric Regularization (2020).

    Reads values as they are: with `field.standardize = false`.
    """

    slopes: ClassVar[Literal["coords"]] = "coords"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        (slope,) = torch.autograd.grad(prediction.values.sum(), batch.coords, create_graph=True)
        within = (batch.values.abs() < 1).squeeze(-1)
        cost = ((slope + 1e-12).norm(dim=-1) * BAND - 1).square().where(within, 0.0)
        mean: Tensor = cost.sum(1) / within.sum(1).clamp_min(1)
        return mean


class Stored(SignalSet):
    """Shapes at points of their own, read from the prepared file as they are asked for."""

    def __init__(self, signal: Shape, prepared: Prepared, index: Sequence[int]) -> None:
        self.signal, self.prepared, self.index = signal, prepared, list(index)
        kinds = [signal._class_of(name) for name in prepared.names]
        self._classes = tuple(sorted(set(kinds))) if all(kinds) else ()
        self._labels = torch.tensor([self._classes.index(kinds[i]) for i in self.index]) if self._classes else None
        self.file: h5py.File | None = None

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, index: Tensor) -> Batch:
        return self._rows("points", index)

    def observed(self, index: Tensor) -> Batch:
        """Latents are inferred from the first 4,096 points: they are shuffled, so that these are a fair sample."""
        return self._rows("points", index, OBSERVED)

    def judged(self, index: Tensor) -> Batch:
        return self._rows("judged", index)

    def names(self, index: Tensor) -> list[str]:
        return [self.prepared.names[self.index[int(i)]] for i in index]

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    def labels(self) -> Tensor | None:
        return self._labels

    @property
    def note(self) -> str:
        prepared = self.prepared
        return note_bad(prepared.bad, len(prepared.names) + len(prepared.bad), "meshes", skip=True)

    def originals(self, index: Tensor, signal: Signal) -> list[Surface]:
        return [surface_of(self._mesh(int(i))) for i in index]

    def placed(self, index: Tensor, things: Sequence[Any]) -> list[Surface]:
        return [thing.placed(self._mesh(int(i)).frame) for i, thing in zip(index, things, strict=True)]

    def compare(self, index: Tensor, things: Sequence[Any]) -> dict[str, float]:
        meshes = [self._mesh(int(i)) for i in index]
        return compare_surfaces(list(zip(things, meshes, strict=True)))

    def _mesh(self, number: int) -> Mesh:
        return stored_mesh(self.prepared.path, self.prepared.rows[self.index[number]])

    def _rows(self, name: str, index: Tensor, count: int | None = None) -> Batch:
        if self.file is None:
            self.file = h5py.File(self.prepared.path, "r")
        stored = self.file[name]
        rows = torch.from_numpy(numpy.stack([stored[self.prepared.rows[self.index[int(i)]], :count] for i in index]))
        label = None if self._labels is None else self._labels[index]
        return Batch(rows[..., :3], self.signal.from_distance(rows[..., 3:]), label=label)


class Pooled(Stored):
    """Shapes at points that they share."""

    def __init__(self, signal: Shape, prepared: Prepared, index: Sequence[int], table: Tensor) -> None:
        super().__init__(signal, prepared, index)
        values = signal.from_distance(table[3:][self.index]).unsqueeze(-1)
        self.resident = Resident(Batch(table[:3].T.contiguous(), values, label=self._labels))

    def batch(self, index: Tensor) -> Batch:
        return self.resident.batch(index)

    def observed(self, index: Tensor) -> Batch:
        return self.resident.batch(index)
