"""Points with signed distances, computed once per mesh and kept in one HDF5 file that follows changes of the data."""

from __future__ import annotations

__all__ = [
    "MeshSource",
    "PointCache",
    "Repair",
    "build_point_cache",
    "distances_at",
    "load_cached_mesh",
    "mesh_sources",
    "sample_sdf_points",
]

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import h5py
import numpy
from numpy.typing import NDArray
from tqdm import tqdm

from gonkit.data import HDF5Rows, LabeledFolder
from gonkit.errors import GonkitError, reading
from gonkit.files import atomic_path, printable, read_arrays
from signals.shape.mesh import (
    Array,
    Mesh,
    MeshReport,
    Normalization,
    inspect_mesh,
    make_watertight,
    read_mesh,
    sample_surface,
    signed_distance,
)

Repair = Literal["none", "watertight"]
NEAR_STD = (0.01, 0.05)  # normal noise on points near the surface, half of them each, in normalized units
NUM_EVAL_POINTS = 20_000  # uniform points at which shapes are evaluated
SERIAL_SECONDS = 2.0  # of work before other processes are started
WHAT, FIX = "prepared meshes", "remove it, and it is made anew"  # for messages
VERSION = 3  # of the file's contents


@dataclass(frozen=True)
class MeshSource:
    """A mesh to be prepared.

    Attributes:
        name: for messages and labels.
        digest: hexadecimal, identifies the contents.
        read: loads the mesh; called in other processes too.
    """

    name: str
    digest: str
    read: Callable[[], Mesh]


@dataclass(frozen=True)
class PointCache:
    """The file of a data set, and the meshes in it.

    Attributes:
        path: of the HDF5 file. It holds `points` (N, P, 4), x, y, z and signed distance in normalized units, half of
            them near the surface and half uniform, shuffled; `evaluation` (N, 20000, 4), uniform; `names`, `digests`
            and `reports`; and the meshes themselves.
        names: of the usable meshes, in the order of the sources.
        rows: of the file, in the same order.
        reports: on the meshes, in the same order.
        problems: one message for each mesh that cannot be used.
        num_computed: meshes that were computed now, and not found in the cache.
    """

    path: Path
    names: list[str]
    rows: list[int]
    reports: list[MeshReport]
    problems: list[str]
    num_computed: int


def build_point_cache(
    sources: Sequence[MeshSource], cache: Path, title: str, *, points: int, repair: Repair, quiet: bool = False
) -> PointCache:
    """Computes the points of all meshes that are not in the cache yet, on all cores.

    Each finished mesh is a small file of its own until all are done, so that a run that is killed loses only the
    meshes it was working on.

    Args:
        sources: the meshes.
        cache: folder of the files.
        title: of the data set, for the file name.
        points: P, of each mesh.
        repair: "watertight" replaces meshes that are open or have no inside by the space that they enclose.
        quiet: shows no progress bar.
    """
    settings = {
        "version": VERSION,
        "points": points,
        "evaluation": NUM_EVAL_POINTS,
        "near": NEAR_STD,
        "repair": repair,
    }
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:8]
    path, parts = cache / f"{title}-{key}.h5", cache / f"{title}-{key}.parts"
    for stale in parts.glob(".*"):  # drafts of a process that was killed
        stale.unlink(missing_ok=True)
    rows = _read_rows(path, points)
    missing = {s.digest: s for s in sources if s.digest not in rows and not (parts / f"{s.digest}.npz").exists()}
    problems: dict[str, str] = {}
    with tqdm(total=len(missing), unit="mesh", desc="points", disable=(quiet or not missing) or None) as bar:
        for source, problem in _prepare_in_parallel(list(missing.values()), parts, points, repair):
            bar.update()
            if problem:
                problems[source.digest] = problem
    usable = [source for source in sources if source.digest not in problems]
    if {source.digest for source in usable} - rows.keys():
        _assemble(path, parts, usable, points)
        rows = _read_rows(path, points)
    reports = _read_reports(path) if usable else {}
    return PointCache(
        path,
        [source.name for source in usable],
        [rows[source.digest] for source in usable],
        [reports[source.digest] for source in usable],
        [problems[source.digest] for source in sources if source.digest in problems],
        len(missing) - len(problems),
    )


def mesh_sources(found: LabeledFolder) -> list[MeshSource]:
    """The meshes of a folder."""
    sources = []
    for name, path in zip(found.fields, found.paths, strict=True):
        with reading(path, "a mesh"):
            sources.append(MeshSource(name, hashlib.sha256(path.read_bytes()).hexdigest(), partial(read_mesh, path)))
    return sources


def sample_sdf_points(mesh: Mesh, count: int, generator: numpy.random.Generator) -> NDArray[numpy.float32]:
    """(count, 4) x, y, z and signed distance: half near the surface, half uniform in [-1, 1]³, shuffled."""
    return distances_at(mesh, _sample_points(mesh, count, generator))


def _sample_points(mesh: Mesh, count: int, generator: numpy.random.Generator) -> Array:
    near = count // 2
    std = numpy.repeat(NEAR_STD, [near // 2, near - near // 2])[:, None]
    surface = sample_surface(mesh.vertices, mesh.faces, near, generator)[0]
    noisy = surface + std * generator.standard_normal((near, 3))
    uniform = generator.uniform(-1, 1, (count - near, 3))
    return generator.permutation(numpy.concatenate([noisy.clip(-1, 1), uniform]))


def load_cached_mesh(path: Path, row: int) -> Mesh:
    """The mesh of a row of a point cache."""
    head = read_arrays(path, WHAT, ["digests", "reports"])
    with reading(path, WHAT, FIX):
        group, stored = f"mesh/{head['digests'][row]}", json.loads(head["reports"][row])["normalization"]
        parts = read_arrays(path, WHAT, [f"{group}/vertices", f"{group}/faces"])
        vertices, faces = parts[f"{group}/vertices"], parts[f"{group}/faces"]
        x, y, z = map(float, stored["center"])
        if vertices.shape[1:] != (3,) or faces.shape[1:] != (3,) or faces.min() < 0 or faces.max() >= len(vertices):
            raise ValueError("faces name vertices that are not there")
        normalization = Normalization((x, y, z), float(stored["scale"]))
        return Mesh(vertices.astype(numpy.float64), faces.astype(numpy.int64), normalization)


def _prepare_in_parallel(
    sources: Sequence[MeshSource], parts: Path, points: int, repair: Repair
) -> Iterator[tuple[MeshSource, str]]:
    """Every source and its problem, or an empty string, in the order in which they finish."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    queue, start = iter(sources), time.monotonic()
    for source in queue:  # starting processes takes a while, which a few small meshes do not repay
        yield source, _prepare_mesh(source, parts, points, repair)
        if cores > 1 and time.monotonic() - start > SERIAL_SECONDS:
            break
    else:
        return
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        running: dict[Future[str], MeshSource] = {}
        while True:
            for source in queue:
                running[pool.submit(_prepare_mesh, source, parts, points, repair)] = source
                if len(running) >= 4 * cores:
                    break
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()


def _prepare_mesh(source: MeshSource, parts: Path, points: int, repair: Repair) -> str:
    """Writes the part of one mesh; returns its problem, or an empty string."""
    try:
        mesh = source.read()
    except GonkitError as error:
        return str(error)
    if repair == "watertight" and inspect_mesh(mesh).needs_repair:
        mesh = make_watertight(mesh)
    generator = numpy.random.default_rng(int(source.digest[:12], 16))
    training = _sample_points(mesh, points, generator)
    evaluation = generator.uniform(-1, 1, (NUM_EVAL_POINTS, 3))
    both = numpy.concatenate([training, evaluation])
    distance, winding = signed_distance(mesh, both)  # at once: each call builds its trees anew
    report = inspect_mesh(mesh, winding[points:])
    if not report.solid:
        return f"{source.name}: {report.advice}"
    rows = numpy.concatenate([both, distance[:, None]], 1).astype(numpy.float32)
    with atomic_path(parts / f"{source.digest}.npz") as temporary:
        numpy.savez(
            temporary,
            points=rows[:points],
            evaluation=rows[points:],
            vertices=mesh.vertices.astype(numpy.float32),
            faces=mesh.faces.astype(numpy.int32),
            report=numpy.array(json.dumps(asdict(report) | {"normalization": asdict(mesh.normalization)})),
        )
    return ""


def distances_at(mesh: Mesh, points: Array) -> NDArray[numpy.float32]:
    """(P, 4) points (P, 3) and their signed distances."""
    distance, _ = signed_distance(mesh, points)
    rows: NDArray[numpy.float32] = numpy.concatenate([points, distance[:, None]], 1).astype(numpy.float32)
    return rows


def _assemble(path: Path, parts: Path, sources: Sequence[MeshSource], points: int) -> None:
    """Merges the previous file and the parts into a new file, and removes the parts."""
    unique = {source.digest: source for source in sources}
    previous_rows = _read_rows(path, points)
    previous = h5py.File(path, "r") if previous_rows else None
    try:
        with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
            training = file.create_dataset("points", (len(unique), points, 4), "f4")
            evaluation = file.create_dataset("evaluation", (len(unique), NUM_EVAL_POINTS, 4), "f4")
            reports = []
            for row, digest in enumerate(unique):
                group = f"mesh/{digest}"
                if previous is not None and digest in previous_rows:
                    old = previous_rows[digest]
                    with reading(path, WHAT, FIX):
                        training[row], evaluation[row] = previous["points"][old], previous["evaluation"][old]
                        reports.append(previous["reports"].asstr()[old])
                        previous.copy(group, file, name=group)
                    continue
                part_path = parts / f"{digest}.npz"
                part = read_arrays(part_path, WHAT)
                with reading(part_path, WHAT, FIX):
                    training[row], evaluation[row] = part["points"], part["evaluation"]
                    reports.append(str(part["report"]))
                    file[f"{group}/vertices"], file[f"{group}/faces"] = part["vertices"], part["faces"]
            file["names"] = [printable(source.name) for source in unique.values()]
            file["digests"], file["reports"] = list(unique), reports
    finally:
        if previous is not None:
            previous.close()
    for digest in unique:
        (parts / f"{digest}.npz").unlink(missing_ok=True)
    if parts.is_dir() and not any(parts.iterdir()):
        parts.rmdir()


def _read_rows(path: Path, points: int) -> dict[str, int]:
    """Digest → row of a cache file of P points; empty if there is no such file, or it is damaged: it is made anew."""
    try:
        digests = read_arrays(path, WHAT, ["digests"])["digests"].tolist()
        reports = _read_reports(path)
        shapes = {name: HDF5Rows(path, name).shape for name in ("points", "evaluation")}
    except (GonkitError, KeyError):
        return {}
    count = len(digests)
    whole = shapes == {"points": (count, points, 4), "evaluation": (count, NUM_EVAL_POINTS, 4)}
    return {digest: row for row, digest in enumerate(digests)} if whole and len(reports) == count else {}


def _read_reports(path: Path) -> dict[str, MeshReport]:
    """Digest → report."""
    head = read_arrays(path, WHAT, ["digests", "reports"])
    names = MeshReport.__dataclass_fields__
    with reading(path, WHAT, FIX):
        stored = [json.loads(text) for text in head["reports"].tolist()]
        pairs = zip(head["digests"].tolist(), stored, strict=True)
        return {digest: MeshReport(**{name: one[name] for name in names}) for digest, one in pairs}
