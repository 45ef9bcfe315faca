"""Whole runs on shapes, and meshes exported and reconstructed with them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import trimesh

from gonkit.cli import main
from gonkit.run import main as run

RECIPE = """
name = "boxes"
[signal]
type = "signals.shape:{shape_type}"
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
    text = RECIPE.format(shape_type="Occupancy", data=folder, cache=tmp_path / "cache", more="")
    recipe = tmp_path / "shared.toml"
    recipe.write_text(text.replace("cells = 16", "cells = 16\nshared = true"))
    assert run([str(recipe), "--quiet", "--out", str(tmp_path / "run"), "--set", "train.steps=20"]) == 0
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert "iou" in evaluation
    assert not any(name.startswith("pca") for name in evaluation)  # it would be evaluated at other points


@pytest.fixture(scope="module", params=["Occupancy", "Distance"])
def run_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    for number in range(6):
        box = trimesh.creation.box((2 + number, 5, 4))
        box.apply_translation((10, 0, 0))
        (folder / "meshes").mkdir(exist_ok=True)
        box.export(folder / "meshes" / f"box_{number}.obj")
    more = "[loss]\nouter = { truncated = 1.0, eikonal = 0.01 }" if request.param == "Distance" else ""
    text = RECIPE.format(shape_type=request.param, data=folder / "meshes", cache=folder / "cache", more=more)
    (folder / "boxes.toml").write_text(text)
    assert run([str(folder / "boxes.toml"), "--quiet", "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_run_leaves_meshes_and_metrics(run_folder: Path) -> None:
    evaluation = json.loads((run_folder / "evaluation.json").read_text())
    assert 0 <= evaluation["samples_one_piece"] <= 1
    assert {"iou", "chamfer_l1", "chamfer_l2", "f_score", "normals", "empty", "nearest_max"} <= evaluation.keys()
    assert evaluation["iou"] > 0.6
    report = (run_folder / "report.html").read_text()
    assert "samples/gonkit_00.glb" in report
    assert trimesh.load(run_folder / "samples" / "gonkit_00.glb", force="mesh").is_watertight
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run_folder))
    events.Reload()
    assert any("previews/reconstructions/reconstruction" in tag for tag in events.Tags()["tensors"])


def test_samples_are_compared_as_objects(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run_folder), "--samples", "--count", "4", "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["one_piece_floor"] == 1
    for name in ("one_piece", "one_piece_reconstructions"):
        assert 0 <= metrics[name] <= 1
    assert 0 <= metrics["coverage"] <= metrics["coverage_floor"] == 1  # it trains on all shapes
    assert metrics["mmd_floor"] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply", ".stl"])
def test_export_and_reconstruct_keep_position_and_size(run_folder: Path, tmp_path: Path, suffix: str) -> None:
    out = ["--resolution", "32", "--suffix", suffix, "--out", str(tmp_path)]
    for what in ("samples", "reconstructions", "interpolation"):
        assert main(["export", str(run_folder), "--what", what, "--count", "2", *out]) == 0
    source = run_folder.parent / "meshes" / "box_3.obj"
    assert main(["reconstruct", str(run_folder), str(source), *out]) == 0
    names = [path.name for path in tmp_path.iterdir()]
    first = f"reconstruction_00{suffix}"  # of box_0
    assert {f"sample_01{suffix}", f"interpolation_01{suffix}"} <= set(names)
    for name, size in ((f"box_3{suffix}", (5, 5, 4)), (first, (2, 5, 4))):
        mesh = trimesh.load(tmp_path / name, force="mesh")
        mesh.merge_vertices(merge_norm=True, merge_tex=True)
        assert mesh.is_watertight
        assert mesh.center_mass == pytest.approx((10, 0, 0), abs=0.3)
        assert mesh.volume == pytest.approx(math.prod(size), rel=0.2)
