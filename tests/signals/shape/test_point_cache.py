"""Points with signed distances: sampled, kept, and computed again only where meshes changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy
import pytest

from signals.shape import Mesh, Occupancy, PointCache, read_mesh
from signals.shape.mesh import signed_distance
from signals.shape.point_cache import MeshSource, build_point_cache, sample_sdf_points
from signals.shape.synthetic import make_solid
from tests.conftest import ROOT
from tests.signals.conftest import all_names
from tests.signals.shape.conftest import write_ball


def test_half_of_the_points_are_near_the_surface() -> None:
    mesh = make_solid(1).mesh()
    rows = sample_sdf_points(mesh, 4000, numpy.random.default_rng(0))
    distance, _ = signed_distance(mesh, rows[:, :3])
    assert rows[:, 3] == pytest.approx(distance, abs=1e-5)
    assert 0.45 < (numpy.abs(distance) < 0.06).mean() < 0.8
    assert numpy.abs(rows[:2000, 3]).mean() == pytest.approx(numpy.abs(rows[2000:, 3]).mean(), rel=0.2)  # shuffled


def test_only_new_and_changed_meshes_are_computed(folder: Path, tmp_path: Path) -> None:
    def build(points: int = 512) -> PointCache:
        return Occupancy(data=str(folder), cache=str(tmp_path / "cache"), points=points).point_cache(quiet=True)

    first = build()
    assert first.num_computed == 6
    assert build().num_computed == 0
    with h5py.File(first.path) as file:
        before = file["points"][:]
    write_ball(folder / "ball_2.ply", radius=50, level=2)  # changed
    write_ball(folder / "more" / "ball_9.ply")  # new
    (folder / "ball_0.ply").unlink()
    again = build()
    assert again.num_computed == 2
    assert again.names == [f"ball_{i}.ply" for i in (1, 2, 3, 4, 5)] + ["more/ball_9.ply"]
    with h5py.File(again.path) as file:
        assert (file["points"][again.rows[0]] == before[first.rows[1]]).all()
    other = build(points=600)
    assert other.num_computed == 6  # other settings, another file
    assert build().num_computed == 0
    assert set((tmp_path / "cache").iterdir()) == {first.path, other.path}  # no drafts and no parts


def test_a_failure_loses_only_the_mesh_it_happens_in(folder: Path, tmp_path: Path) -> None:
    paths = sorted(folder.iterdir())
    sources = [MeshSource(path.name, f"{number:064x}", partial(read_mesh, path)) for number, path in enumerate(paths)]

    def fail() -> Mesh:
        raise KeyboardInterrupt

    build = partial(build_point_cache, cache=tmp_path / "cache", title="balls", points=512, repair="none", quiet=True)
    with pytest.raises(KeyboardInterrupt):
        build([*sources[:4], replace(sources[4], read=fail), *sources[5:]])
    assert not list((tmp_path / "cache").glob("*.h5"))
    cache = build(sources)
    assert cache.num_computed == 2
    assert len(cache.rows) == 6
    assert build(sources).num_computed == 0


# Kills itself and its worker processes with SIGKILL when the eighth of 12 meshes is read
KILLED = """
import os, signal
from functools import partial
from pathlib import Path
from signals.shape import Occupancy, point_cache, read_mesh

def read_or_die(path):
    if path.name == "07.ply":
        os.killpg(0, signal.SIGKILL)
    return read_mesh(path)

if __name__ == "__main__":
    point_cache.SERIAL_SECONDS = 0.0  # start worker processes after the first mesh
    occupancy = Occupancy(data="meshes", cache="cache", points=512)
    digests = [source.digest for source in point_cache.mesh_sources(occupancy._find())]
    paths = sorted(Path("meshes").iterdir())
    point_cache.build_point_cache(
        [point_cache.MeshSource(p.name, d, partial(read_or_die, p)) for p, d in zip(paths, digests)],
        Path("cache"), "meshes", points=512, repair="none", quiet=True,
    )
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a group of processes")
def test_after_a_kill_only_the_rest_is_computed(tmp_path: Path) -> None:
    for number in range(12):
        write_ball(tmp_path / "meshes" / f"{number:02}.ply", radius=1 + number / 10, level=2)
    (tmp_path / "killed.py").write_text(KILLED)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.run([sys.executable, "killed.py"], cwd=tmp_path, env=environment, start_new_session=True)
    assert process.returncode == -signal.SIGKILL
    finished = len(list(tmp_path.glob("cache/*.parts/*.npz")))
    assert 0 < finished < 12
    assert not list(tmp_path.glob("cache/*.h5"))
    occupancy = Occupancy(data=str(tmp_path / "meshes"), cache=str(tmp_path / "cache"), points=512)
    cache = occupancy.point_cache(quiet=True)
    assert cache.num_computed == 12 - finished
    assert list((tmp_path / "cache").iterdir()) == [cache.path]
    splits = [occupancy.dataset(split) for split in ("train", "val", "test")]
    assert sorted(name for part in splits for name in all_names(part)) == [f"{number:02}.ply" for number in range(12)]
