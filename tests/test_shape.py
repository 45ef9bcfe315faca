"""Shapes: meshes to points, points to fields, fields to meshes."""

from __future__ import annotations

import json
import math
import os
import signal as unix
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy
import pytest
import torch
import trimesh
from torch import Tensor

from gonkit.cli import main
from gonkit.losses import Objective
from gonkit.run import main as run
from gonkit.signal import Batch, Prediction, SignalError
from signals import points as points_module
from signals import solids
from signals.meshes import HALF, Mesh, check_mesh, close_mesh, normalized, read_mesh, signed_distance
from signals.points import sampled_points
from signals.shape import BAND, Distance, Eikonal, Occupancy, Truncated
from signals.surface import extract, preview, surface_of
from signals.surfaces import compare_surfaces
from tests.conftest import DATA, ROOT

CLOSED = ("cheburashka", "cow", "cycloidal", "fandisk", "homer", "quadknot", "rabbit", "rocker-arm", "spot")
OPEN = ("beetle", "bunny", "teapot")


def ball(
    path: Path, radius: float = 0.7, center: tuple[float, float, float] = (3.0, -2.0, 5.0), level: int = 3
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = trimesh.creation.icosphere(level, radius)
    made.apply_translation(center)
    made.export(path)
    return path


def bumpy(points: Tensor) -> Tensor:
    """A field above zero in a ball with waves on it."""
    return 0.6 + 0.05 * torch.sin(9 * points[:, 0]) * torch.cos(8 * points[:, 1]) - points.norm(dim=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        ball(tmp_path / "meshes" / f"ball_{number}.ply", radius=1 + number)
    return tmp_path / "meshes"


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".off", ".glb"])
def test_meshes_are_read_into_the_frame_and_back(tmp_path: Path, suffix: str) -> None:
    mesh = read_mesh(ball(tmp_path / f"ball{suffix}"))
    assert numpy.abs(mesh.vertices).max() == pytest.approx(HALF, abs=1e-6)
    back = mesh.frame.restored(mesh.vertices)
    assert numpy.linalg.norm(back - (3.0, -2.0, 5.0), axis=1) == pytest.approx(0.7, abs=1e-5)
    about = check_mesh(mesh)
    assert about.closed
    assert about.advice == ""
    assert about.inside == pytest.approx(4 / 3 * math.pi * HALF**3 / 8, abs=0.02)


def test_signed_distance_of_a_ball_is_exact() -> None:
    fine = trimesh.creation.icosphere(5, 1.0)
    mesh = normalized(numpy.asarray(fine.vertices), numpy.asarray(fine.faces, numpy.int64), "ball")
    points = numpy.random.default_rng(0).uniform(-1, 1, (2000, 3))
    distance, winding = signed_distance(mesh, points)
    assert distance == pytest.approx(numpy.linalg.norm(points, axis=1) - HALF, abs=2e-3)
    assert ((winding > 0.5) == (distance < 0)).all()


def broken(folder: Path) -> dict[str, Path]:
    """Files that hold no usable mesh, and the words that say why."""
    folder.mkdir(parents=True, exist_ok=True)
    corner = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    texts = {
        "holds no faces": corner,
        "cannot be read as a mesh|name a vertex|holds no faces": corner + "f 1 2 9\n",
        "not finite|cannot be read": "v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n",
        "no area": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
        "no faces|cannot be read": "this is a letter and no mesh\n",
        "nothing is inside it": corner + "f 1 2 3\n",
    }
    made = {}
    for number, (reason, text) in enumerate(texts.items()):
        made[reason] = folder / f"bad_{number}.obj"
        made[reason].write_text(text)
    return made


def test_bad_meshes_are_named_and_left_out_when_asked(folder: Path, tmp_path: Path) -> None:
    expected = broken(folder)
    settings = {"data": str(folder), "cache": str(tmp_path / "cache"), "points": 512}
    with pytest.raises(SignalError) as caught:
        Occupancy(**settings).dataset("train")
    text = str(caught.value)
    assert text.startswith("6 of 12 meshes cannot be used")
    for reasons, path in expected.items():
        line = next(line for line in text.splitlines() if path.name in line)
        assert any(reason in line for reason in reasons.split("|")), line
    sets = [Occupancy(**settings, skip_bad=True).dataset(split) for split in ("train", "val", "test")]
    assert [len(part) for part in sets] == [4, 1, 1]
    assert sets[0].note == "6 of 12 meshes could not be used and were left out"
    with pytest.raises(SignalError, match="no meshes in it"):
        Occupancy(data=str(tmp_path / "cache"), cache=str(tmp_path)).dataset("train")
    with pytest.raises(SignalError, match=r"no such folder; signal.data must be"):
        Occupancy(data=str(tmp_path / "nowhere")).dataset("train")


def test_check_says_what_every_file_is_like(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["file", "faces", "closed", "inside", "doubtful", "verdict"]
    assert table[1].split() == ["ball_0.ply", "1,280", "yes", "38.1%", "0.00%", "good"]
    broken(folder)
    assert main(["check", str(folder), "--json"]) == 2
    said = capsys.readouterr()
    assert "5 of 12 files cannot be used" in said.err
    rows = json.loads(said.out)
    assert "nothing is inside it" in rows["bad_5.obj"]["verdict"]
    assert "no area" in rows["bad_3.obj"]["verdict"]


def test_points_are_half_near_the_surface_and_know_their_side() -> None:
    mesh = solids.solid(1)
    rows = sampled_points(mesh, 4000, numpy.random.default_rng(0))
    distance, _ = signed_distance(mesh, rows[:, :3])
    assert rows[:, 3] == pytest.approx(distance, abs=1e-5)
    assert 0.45 < (numpy.abs(distance) < 0.06).mean() < 0.8
    assert numpy.abs(rows[:2000, 3]).mean() == pytest.approx(numpy.abs(rows[2000:, 3]).mean(), rel=0.2)  # shuffled


def test_what_is_prepared_is_not_prepared_again(folder: Path, tmp_path: Path) -> None:
    def prepared(**more: object) -> points_module.Prepared:
        settings = {"data": str(folder), "cache": str(tmp_path / "cache"), "points": 512}
        return Occupancy(**settings | more).prepared(quiet=True)

    first = prepared()
    assert first.done == 6
    assert prepared().done == 0
    with h5py.File(first.path) as file:
        before = file["points"][:]
    ball(folder / "ball_2.ply", radius=50, level=2)  # changed
    ball(folder / "more" / "ball_9.ply")  # new
    (folder / "ball_0.ply").unlink()
    again = prepared()
    assert again.done == 2
    assert again.names == [f"ball_{i}.ply" for i in (1, 2, 3, 4, 5)] + ["more/ball_9.ply"]
    with h5py.File(again.path) as file:
        assert (file["points"][again.rows[0]] == before[first.rows[1]]).all()
    assert prepared(points=600).done == 6  # another setting, another file
    assert prepared().done == 0
    assert not list((tmp_path / "cache").glob("*.tmp"))
    assert not list((tmp_path / "cache").glob("*.parts"))


def test_killed_in_the_middle_only_the_rest_is_prepared(tmp_path: Path) -> None:
    for number in range(60):
        ball(tmp_path / "meshes" / f"{number:02}.ply", radius=1 + number / 10)
    code = (
        "from signals.shape import Occupancy\n"
        "if __name__ == '__main__':\n"
        "    print(Occupancy(data='meshes', cache='cache', points=2048).prepared(quiet=True).done)\n"
    )
    (tmp_path / "go.py").write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "go.py"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    deadline = time.monotonic() + 90
    while len(list(tmp_path.glob("cache/*.parts/*.npz"))) < 8:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it had finished before it was killed"
        time.sleep(0.01)
    os.killpg(process.pid, unix.SIGKILL)
    process.wait()
    there = len(list(tmp_path.glob("cache/*.parts/*.npz")))
    assert not list(tmp_path.glob("cache/*.h5"))
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert int(result.stdout) == 60 - there
    signal = Occupancy(data=str(tmp_path / "meshes"), cache=str(tmp_path / "cache"), points=2048)
    assert len(signal.dataset("train")) == 48


def test_open_and_double_sided_meshes_can_be_closed() -> None:
    sphere = trimesh.creation.icosphere(4, 1.0)
    faces = numpy.asarray(sphere.faces, numpy.int64)
    both = numpy.concatenate([faces, faces[:, ::-1]])
    mesh = normalized(numpy.asarray(sphere.vertices), both, "double")
    assert not check_mesh(mesh).solid
    closed = close_mesh(mesh)
    about = check_mesh(closed)
    assert about.closed
    assert about.advice == ""
    assert about.inside == pytest.approx(4 / 3 * math.pi * (HALF + 1.5 * 2 / 128) ** 3 / 8, rel=0.03)
    assert trimesh.Trimesh(closed.vertices, closed.faces).volume > 0


def test_the_embedded_family_is_watertight_and_always_the_same() -> None:
    for number in range(0, solids.COUNT, 7):
        mesh = solids.solid(number)
        made = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        assert made.is_watertight, solids.solid_name(number)
        assert made.volume > 0.01
        assert check_mesh(mesh).advice == ""
        assert (solids.solid(number).vertices == mesh.vertices).all()


@pytest.mark.parametrize("cells", [32, 48, 64, 128])
def test_extraction_is_closed_oriented_and_near_the_surface(cells: int) -> None:
    surface = extract(bumpy, cells)
    mesh = surface.mesh()
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    assert bumpy(torch.from_numpy(surface.vertices).float()).abs().max() < 0.2 / cells
    assert numpy.linalg.norm(surface.normals, axis=1) == pytest.approx(1, abs=1e-5)
    assert ((mesh.face_normals * surface.normals[surface.faces].mean(1)).sum(1) > 0).mean() > 0.999


def test_coarse_to_fine_gives_the_dense_surface_for_a_tenth_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0

    def counted(points: Tensor) -> Tensor:
        nonlocal seen
        seen += len(points)
        return bumpy(points)

    sparse = extract(counted, 128)
    assert sparse.evaluated < 0.15
    assert seen <= sparse.evaluated * 129**3 + 6 * len(sparse.vertices) + 1  # and the normals
    monkeypatch.setattr("signals.surface.COARSEST", 128)
    dense = extract(bumpy, 128)
    assert dense.evaluated == 1
    assert (sparse.vertices == dense.vertices).all()
    assert (sparse.faces == dense.faces).all()


def test_a_shape_at_the_border_is_closed_there() -> None:
    mesh = extract(lambda points: 1.2 - points.norm(dim=1), 32).mesh()
    assert mesh.is_watertight
    assert 0 < mesh.volume < 8


def test_values_on_the_level_make_no_faces_without_area() -> None:
    mesh = extract(lambda points: 0.5 - points.abs().amax(1), 32).mesh()  # a cube whose sides are grid planes
    assert mesh.is_watertight
    assert mesh.area_faces.min() > 1e-12
    assert mesh.volume == pytest.approx(1 - 12 * (2 / 32) ** 2 / 2, abs=2e-3)  # its twelve edges are cut, half a cell


@pytest.mark.parametrize(("value", "side"), [(-3.0, "outside"), (3.0, "inside")])
def test_a_field_without_a_surface_says_so(tmp_path: Path, value: float, side: str) -> None:
    surface = extract(lambda points: torch.full((len(points),), value), 16)
    with pytest.raises(SignalError, match=rf"it runs from {value:.0f} to {value:.0f}, which is {side} everywhere"):
        surface.mesh()
    with pytest.raises(SignalError, match=r"a.glb: not written: the field never crosses its level"):
        Occupancy().save(surface, tmp_path / "a")
    assert preview(surface).size == (96, 96)


def test_a_preview_shows_the_shape_and_its_shading() -> None:
    picture = numpy.asarray(preview(extract(bumpy, 48), 120)).astype(float)
    covered = (picture < 255).mean()
    assert covered == pytest.approx(math.pi * 0.6**2 / 9, rel=0.1)
    assert picture[45:60, 60:75].mean() > picture[60:75, 45:60].mean()  # lit from above and the right


def test_surfaces_are_compared_in_units_of_the_frame() -> None:
    surface = surface_of(solids.solid(0))
    mesh = solids.solid(0)
    same = compare_surfaces([(surface, mesh)])
    assert same["chamfer_l1"] < 1e-6
    assert same["f_score"] == 1
    assert same["normals"] == pytest.approx(1, abs=1e-3)
    moved = Mesh(numpy.add(mesh.vertices, (0, 0, 0.2)), mesh.faces, mesh.frame)
    other = compare_surfaces([(surface, moved)])
    assert 0.02 < other["chamfer_l1"] < 0.2
    assert other["f_score"] < 0.6
    nothing = extract(lambda points: -1 - points[:, 0].abs(), 16)
    assert compare_surfaces([(surface, mesh), (nothing, mesh)])["empty"] == 0.5


def test_own_and_shared_points_tell_the_same(tmp_path: Path) -> None:
    for number in range(6):
        ball(tmp_path / "meshes" / f"{number}.ply", radius=1, center=(0, 0, 0), level=4)
    settings = {"data": str(tmp_path / "meshes"), "cache": str(tmp_path / "cache"), "points": 1024}
    for kind in (Occupancy, Distance):
        own, shared = (kind(**settings, shared=s).dataset("train").first(3) for s in (False, True))
        assert (own.shared, shared.shared) == (False, True)
        for batch in (own, shared):
            coords = batch.coords.expand(3, -1, -1)
            expected = kind(**settings).from_distance(coords.norm(dim=-1, keepdim=True) - HALF)
            assert ((batch.values - expected).abs() < 0.3).float().mean() > 0.99
    assert Distance(**settings).dataset("test").judged(torch.tensor([0])).values.shape == (1, 20_000, 1)


def test_truncated_distances_cost_nothing_beyond_the_band() -> None:
    f = torch.tensor([3.0, -2.0, 0.5, -0.5, 1.5]).view(1, 5, 1)
    x = torch.tensor([1.0, -1.0, 0.2, 1.0, 0.5]).view(1, 5, 1)
    assert Truncated().density(f, x).flatten().tolist() == pytest.approx([0, 0, 0.3, 1.5, 0.5])


def test_eikonal_is_zero_for_a_distance_and_not_for_another_field() -> None:
    batch = Batch(torch.rand(50, 3) * 2 - 1, torch.zeros(2, 50, 1)).sloped()
    distance = batch.coords.norm(dim=-1, keepdim=True) / BAND
    cost = Eikonal()(Prediction(distance, torch.zeros(2, 1)), batch)
    assert cost.tolist() == pytest.approx([0, 0], abs=1e-9)
    assert Eikonal()(Prediction(2 * distance, torch.zeros(2, 1)), batch).tolist() == pytest.approx([1, 1], abs=1e-4)
    assert Objective.named("mse", {"truncated": 1.0, "eikonal": 0.1}, Distance().losses()).slopes == {"coords"}


RECIPE = """
name = "balls"
[signal]
type = "signals.shape:{kind}"
data = "{data}"
cache = "{cache}"
points = 1024
cells = 16
held_out = 0.0
[field]
width = 32
layers = 2
omega = 5.0
standardize = false
[latent]
dim = 4
points = 256
step = 10.0
{more}
[train]
steps = 150
batch = 4
points = 512
learning_rate = 5e-3
warmup = 10
validate_every = 100
[prior]
per_class = true
"""


def test_shapes_at_shared_points_train_too(folder: Path, tmp_path: Path) -> None:
    text = RECIPE.format(kind="Occupancy", data=folder, cache=tmp_path / "cache", more="")
    (tmp_path / "shared.toml").write_text(text.replace("cells = 16", "cells = 16\nshared = true"))
    assert (
        run([str(tmp_path / "shared.toml"), "--quiet", "--out", str(tmp_path / "run"), "--set", "train.steps=20"]) == 0
    )
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert "iou" in evaluation
    assert not any(name.startswith("pca") for name in evaluation)  # it would be judged at other points


@pytest.fixture(scope="module", params=["Occupancy", "Distance"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    for number in range(6):
        box = trimesh.creation.box((2 + number, 5, 4))
        box.apply_translation((10, 0, 0))
        (folder / "meshes").mkdir(exist_ok=True)
        box.export(folder / "meshes" / f"box_{number}.obj")
    more = "[loss]\nouter = { truncated = 1.0, eikonal = 0.01 }" if request.param == "Distance" else ""
    text = RECIPE.format(kind=request.param, data=folder / "meshes", cache=folder / "cache", more=more)
    (folder / "balls.toml").write_text(text)
    assert run([str(folder / "balls.toml"), "--quiet", "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_run_leaves_meshes_and_figures(trained: Path) -> None:
    evaluation = json.loads((trained / "evaluation.json").read_text())
    assert {"iou", "chamfer_l1", "chamfer_l2", "f_score", "normals", "empty", "nearest_max"} <= evaluation.keys()
    assert evaluation["iou"] > 0.6
    report = (trained / "report.html").read_text()
    assert "samples/gonkit_00.glb" in report
    assert trimesh.load(trained / "samples" / "gonkit_00.glb", force="mesh").is_watertight
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained))
    events.Reload()
    assert any("pictures/reconstructions/reconstruction" in tag for tag in events.Tags()["tensors"])


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply", ".stl"])
def test_export_and_reconstruct_keep_place_and_size(trained: Path, tmp_path: Path, suffix: str) -> None:
    out = ["--resolution", "32", "--suffix", suffix, "--out", str(tmp_path)]
    for what in ("samples", "reconstructions", "interpolation"):
        assert main(["export", str(trained), "--what", what, "--count", "2", *out]) == 0
    source = trained.parent / "meshes" / "box_3.obj"
    assert main(["reconstruct", str(trained), str(source), *out]) == 0
    names = [path.name for path in tmp_path.iterdir()]
    first = f"reconstruction_00{suffix}"  # of box_0
    assert {f"sample_01{suffix}", f"interpolation_01{suffix}"} <= set(names)
    for name, size in ((f"box_3{suffix}", (5, 5, 4)), (first, (2, 5, 4))):
        made = trimesh.load(tmp_path / name, force="mesh")
        made.merge_vertices(merge_norm=True, merge_tex=True)
        assert made.is_watertight
        assert made.center_mass == pytest.approx((10, 0, 0), abs=0.3)
        assert made.volume == pytest.approx(math.prod(size), rel=0.2)


@pytest.mark.skipif(not (DATA / "meshes").is_dir(), reason="no well-known meshes on this machine")
@pytest.mark.parametrize("name", CLOSED + OPEN)
def test_signs_agree_with_exact_winding_numbers(name: str) -> None:
    import igl

    mesh = read_mesh(next((DATA / "meshes").glob(f"{name}.*")))
    rows = sampled_points(mesh, 1000, numpy.random.default_rng(1)).astype(float)
    exact = igl.winding_number(mesh.vertices, mesh.faces, numpy.ascontiguousarray(rows[:, :3]))
    wrong = ((exact > 0.5) != (rows[:, 3] < 0)).mean()
    assert wrong <= (0 if name in CLOSED else 0.001)
    assert bool(check_mesh(mesh).advice) == (name in OPEN)
