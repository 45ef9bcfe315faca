"""Meshes prepared once: points with signed distances, in one HDF5 file per data set that notices what changed."""

from __future__ import annotations

__all__ = ["Prepared", "Source", "on_surface", "prepare", "sampled_points", "stored_mesh"]

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy
from numpy.typing import NDArray
from tqdm import tqdm

from gonkit.signal import SignalError
from signals.meshes import Array, Checked, Frame, Mesh, check_mesh, close_mesh, signed_distance

Repair = Literal["none", "watertight"]
NEAR = (0.01, 0.05)  # deviations from the surface of the points near it, half each, in units of the frame
JUDGED = 20_000  # points spread evenly that shapes are judged by
ALONE = 2.0  # seconds of work before other processes are started
VERSION = 1  # of what the file holds


@dataclass(frozen=True)
class Source:
    """A mesh to be prepared: its name, what identifies its content, and how to get it (in another process)."""

    name: str
    digest: str
    read: Callable[[], Mesh]


@dataclass(frozen=True)
class Prepared:
    """A data set's file, and what its meshes are like.

    Attributes:
        path: of the HDF5 file: `points` (N, P, 4), x, y, z and signed distance, half of them near the surface and
            half spread evenly, shuffled; `judged` (N, 20000, 4), spread evenly; `names`, `about`.
        names: of the meshes, in the order asked for.
        rows: of the file, in that order.
        about: what each is like.
        bad: what was wrong with the ones that are missing.
        done: how many were computed now, and not before.
    """

    path: Path
    names: list[str]
    rows: list[int]
    about: list[Checked]
    bad: list[str]
    done: int


def prepare(
    sources: Sequence[Source], cache: Path, title: str, *, points: int, repair: Repair, quiet: bool = False
) -> Prepared:
    """Computes what is not in the cache yet, on all cores.

    Each finished mesh is a small file of its own until all are done, so that a run that is killed loses only
    what it was at.

    Args:
        sources: the meshes.
        cache: folder of the prepared files.
        title: of the data set.
        points: of each mesh, P.
        repair: "watertight" replaces meshes without a clear inside by what they enclose.
        quiet: no progress bar.
    """
    settings = {"version": VERSION, "points": points, "judged": JUDGED, "near": NEAR, "repair": repair}
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:8]
    path, parts = cache / f"{title}-{key}.h5", cache / f"{title}-{key}.parts"
    kept = _digests(path)
    missing = {s.digest: s for s in sources if s.digest not in kept and not (parts / f"{s.digest}.npz").exists()}
    bad: dict[str, str] = {}
    if missing:
        parts.mkdir(parents=True, exist_ok=True)
        for stale in parts.glob("*.tmp"):
            stale.unlink()
        with tqdm(total=len(missing), unit="mesh", desc="points", disable=quiet or None) as bar:
            for source, problem in _everywhere(list(missing.values()), parts, points, repair):
                bar.update()
                if problem:
                    bad[source.digest] = problem
    wanted = [s for s in sources if s.digest not in bad]
    if {s.digest for s in wanted} - kept.keys():
        _assemble(path, parts, wanted, points)
        kept = _digests(path)
    about = _about(path) if wanted else {}
    return Prepared(
        path,
        [s.name for s in wanted],
        [kept[s.digest] for s in wanted],
        [about[s.digest] for s in wanted],
        [bad[s.digest] for s in sources if s.digest in bad],
        len(missing) - len(bad),
    )


def _everywhere(sources: Sequence[Source], parts: Path, points: int, repair: Repair) -> Iterator[tuple[Source, str]]:
    """Every source with what is wrong with it, as they finish; few wait at a time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    queue, started = iter(sources), time.monotonic()
    for source in queue:  # other processes take a while to start: few small meshes do not need them
        yield source, _one(source, parts, points, repair)
        if cores > 1 and time.monotonic() - started > ALONE:
            break
    else:
        return
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        running: dict[Future[str], Source] = {}
        while True:
            for source in queue:
                running[pool.submit(_one, source, parts, points, repair)] = source
                if len(running) >= 4 * cores:
                    break
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()


def _one(source: Source, parts: Path, points: int, repair: Repair) -> str:
    """Prepares one mesh; returns what is wrong with it."""
    try:
        mesh = source.read()
    except SignalError as error:
        return str(error)
    about = check_mesh(mesh)
    if repair == "watertight" and about.advice:
        mesh = close_mesh(mesh)
        about = check_mesh(mesh)
    if not about.solid:
        return f"{source.name}: {about.advice}"
    generator = numpy.random.default_rng(int(source.digest[:12], 16))
    own = sampled_points(mesh, points, generator)
    spread = generator.uniform(-1, 1, (JUDGED, 3))
    draft = parts / f"{source.digest}.{os.getpid()}.tmp"
    with draft.open("wb") as file:
        numpy.savez(
            file,
            points=own,
            judged=_measured(mesh, spread),
            vertices=mesh.vertices.astype(numpy.float32),
            faces=mesh.faces.astype(numpy.int32),
            about=json.dumps(asdict(about) | {"frame": asdict(mesh.frame)}),
        )
        file.flush()
        os.fsync(file.fileno())
    draft.replace(parts / f"{source.digest}.npz")
    return ""


def sampled_points(mesh: Mesh, count: int, generator: numpy.random.Generator) -> NDArray[numpy.float32]:
    """(count, 4) x, y, z and signed distance: half near the surface, half spread evenly, shuffled."""
    near = count // 2
    deviation = numpy.repeat(NEAR, [near // 2, near - near // 2])[:, None]
    places = on_surface(mesh, near, generator)[0] + deviation * generator.standard_normal((near, 3))
    spread = generator.uniform(-1, 1, (count - near, 3))
    return generator.permutation(_measured(mesh, numpy.concatenate([places.clip(-1, 1), spread])))


def _measured(mesh: Mesh, points: Array) -> NDArray[numpy.float32]:
    distance, _ = signed_distance(mesh, points)
    rows: NDArray[numpy.float32] = numpy.concatenate([points, distance[:, None]], 1).astype(numpy.float32)
    return rows


def on_surface(mesh: Mesh, count: int, generator: numpy.random.Generator) -> tuple[Array, Array]:
    """Points spread evenly over the faces, and the faces' normals there, both (count, 3)."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    normal = numpy.cross(b - a, c - a)
    area = numpy.linalg.norm(normal, axis=1)
    face = generator.choice(len(area), count, p=area / area.sum())
    u, v = generator.random((2, count, 1))
    over = u + v > 1
    u, v = numpy.where(over, 1 - u, u), numpy.where(over, 1 - v, v)
    chosen: Array = a[face] + u * (b - a)[face] + v * (c - a)[face]
    return chosen, normal[face] / area[face, None]


def _assemble(path: Path, parts: Path, sources: Sequence[Source], points: int) -> None:
    """One file of all meshes, from the former file and the parts; the former stays whole until the last moment."""
    unique = {source.digest: source for source in sources}
    draft = path.with_name(path.name + f".{os.getpid()}.tmp")
    former = h5py.File(path, "r") if path.exists() else None
    before = _digests(path)
    try:
        with h5py.File(draft, "w") as file:
            stored = file.create_dataset("points", (len(unique), points, 4), "f4")
            judged = file.create_dataset("judged", (len(unique), JUDGED, 4), "f4")
            names, about = [], []
            for row, (digest, source) in enumerate(unique.items()):
                names.append(source.name)
                group = f"mesh/{digest}"
                if former is not None and digest in before:
                    old = before[digest]
                    stored[row], judged[row] = former["points"][old], former["judged"][old]
                    about.append(former["about"].asstr()[old])
                    former.copy(group, file, name=group)
                    continue
                with numpy.load(parts / f"{digest}.npz", allow_pickle=False) as part:
                    stored[row], judged[row] = part["points"], part["judged"]
                    about.append(str(part["about"]))
                    file[f"{group}/vertices"], file[f"{group}/faces"] = part["vertices"], part["faces"]
            file["names"], file["digests"], file["about"] = names, list(unique), about
            file.flush()
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        if former is not None:
            former.close()
        draft.unlink(missing_ok=True)
    for digest in unique:
        (parts / f"{digest}.npz").unlink(missing_ok=True)
    if parts.is_dir() and not any(parts.iterdir()):
        parts.rmdir()


def _digests(path: Path) -> dict[str, int]:
    """Rows of a prepared file by what identifies the meshes; none if there is no such file, or it is broken."""
    try:
        with h5py.File(path, "r") as file:
            return {digest: row for row, digest in enumerate(file["digests"].asstr()[:])}
    except (OSError, KeyError):
        return {}


def _about(path: Path) -> dict[str, Checked]:
    with h5py.File(path, "r") as file:
        said = [json.loads(text) for text in file["about"].asstr()[:]]
        digests = file["digests"].asstr()[:]
    fields = Checked.__dataclass_fields__
    return {digest: Checked(**{k: one[k] for k in fields}) for digest, one in zip(digests, said, strict=True)}


def stored_mesh(path: Path, row: int) -> Mesh:
    """The triangles of a row of a prepared file."""
    with h5py.File(path, "r") as file:
        group = file[f"mesh/{file['digests'].asstr()[row]}"]
        frame: dict[str, Any] = json.loads(file["about"].asstr()[row])["frame"]
        vertices: NDArray[Any] = group["vertices"][:]
        faces: NDArray[Any] = group["faces"][:]
    return Mesh(
        vertices.astype(numpy.float64),
        faces.astype(numpy.int64),
        Frame((frame["center"][0], frame["center"][1], frame["center"][2]), frame["scale"]),
    )
