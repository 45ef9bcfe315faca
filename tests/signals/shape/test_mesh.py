"""Meshes: read, normalized, inspected and made watertight."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
import pytest
import trimesh

from gonkit.errors import GonkitError
from signals.shape import inspect_mesh, make_watertight, read_mesh
from signals.shape.mesh import HALF_EXTENT, export_mesh, normalize_mesh, signed_distance
from signals.shape.point_cache import sample_sdf_points
from tests.conftest import real_data
from tests.signals.shape.conftest import write_ball, write_broken

CLOSED = ("cheburashka", "cow", "cycloidal", "fandisk", "homer", "quadknot", "rabbit", "rocker-arm", "spot")
OPEN = ("beetle", "bunny", "teapot")
BALL_SHARE = 4 / 3 * math.pi * HALF_EXTENT**3 / 8  # of [-1, 1]³ inside a normalized ball


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".off", ".glb"])
def test_meshes_are_normalized_and_back(tmp_path: Path, suffix: str) -> None:
    mesh = read_mesh(write_ball(tmp_path / f"ball{suffix}"))
    assert numpy.abs(mesh.vertices).max() == pytest.approx(HALF_EXTENT, abs=1e-6)
    original = mesh.normalization.denormalize(mesh.vertices)
    assert numpy.linalg.norm(original - (3.0, -2.0, 5.0), axis=1) == pytest.approx(0.7, abs=1e-5)
    report = inspect_mesh(mesh)
    assert report.closed
    assert report.advice == ""
    assert report.inside == pytest.approx(BALL_SHARE, abs=0.02)


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply", ".stl"])
@pytest.mark.parametrize("far", [False, True])
def test_files_keep_a_mesh_at_its_place_or_are_refused(tmp_path: Path, suffix: str, far: bool) -> None:
    place = numpy.array((421_337.25, 5_812_904.5, 87.125)) * far
    house = trimesh.creation.box((10, 6, 4)).subdivide()
    moved = trimesh.Trimesh(house.vertices + place, house.faces, process=False)
    if far and suffix in (".ply", ".stl"):
        with pytest.raises(
            GonkitError, match=rf"{suffix} stores 32-bit coordinates, which are 0.5 apart .*; write .obj"
        ):
            export_mesh(moved, suffix)
        return
    path = tmp_path / f"house{suffix}"
    path.write_bytes(export_mesh(moved, suffix))
    back = trimesh.load(path, force="mesh", process=False)
    assert numpy.abs(back.bounds - moved.bounds).max() < 1e-5
    assert numpy.abs(back.area - moved.area) < 1e-3
    read = read_mesh(path)
    assert numpy.abs(read.normalization.denormalize(read.vertices).max(0) - moved.vertices.max(0)).max() < 1e-5


@pytest.mark.parametrize("with_normals", [False, True])
def test_faces_may_count_vertices_back_from_themselves(tmp_path: Path, with_normals: bool) -> None:
    boxes = [
        trimesh.creation.box((1, 1, 1), trimesh.transformations.translation_matrix((3.0 * n, 0, 0))) for n in range(3)
    ]
    absolute, relative, count = [], [], 0
    for box in boxes:
        corners = [f"v {x} {y} {z}" for x, y, z in box.vertices]
        normals = [f"vn {x} {y} {z}" for x, y, z in box.vertex_normals] if with_normals else []
        for lines in (absolute, relative):
            lines += corners + normals
        end = count + len(corners)
        for face in box.faces:
            numbers = [(count + int(i) + 1, count + int(i) - end) for i in face]
            form = "{0}//{0}" if with_normals else "{0}"
            absolute.append("f " + " ".join(form.format(number) for number, _ in numbers))
            relative.append("f " + " ".join(form.format(number) for _, number in numbers))
        count = end
    (tmp_path / "right.obj").write_text("\n".join(absolute))
    (tmp_path / "other.obj").write_text("\n".join(relative))
    right, other = read_mesh(tmp_path / "right.obj"), read_mesh(tmp_path / "other.obj")
    assert inspect_mesh(right) == inspect_mesh(other)
    assert numpy.allclose(right.vertices[right.faces], other.vertices[other.faces])
    assert inspect_mesh(other).closed


def test_files_without_a_mesh_are_refused(tmp_path: Path) -> None:
    broken = write_broken(tmp_path)
    unreadable = {reasons: path for reasons, path in broken.items() if "nothing is inside" not in reasons}
    for reasons, path in unreadable.items():
        with pytest.raises(GonkitError, match=rf"{path.name}: .*({reasons})"):
            read_mesh(path)
    with pytest.raises(GonkitError, match=r"nowhere\.obj: cannot be read as a mesh: there is no such file"):
        read_mesh(tmp_path / "nowhere.obj")
    assert "nothing is inside it" in inspect_mesh(read_mesh(broken["nothing is inside it"])).advice


def test_signed_distance_of_a_ball_is_exact() -> None:
    fine = trimesh.creation.icosphere(5, 1.0)
    mesh = normalize_mesh(numpy.asarray(fine.vertices), numpy.asarray(fine.faces, numpy.int64), "ball")
    points = numpy.random.default_rng(0).uniform(-1, 1, (2000, 3))
    distance, winding = signed_distance(mesh, points)
    assert distance == pytest.approx(numpy.linalg.norm(points, axis=1) - HALF_EXTENT, abs=2e-3)
    assert ((winding > 0.5) == (distance < 0)).all()


def test_double_sided_meshes_can_be_made_watertight() -> None:
    sphere = trimesh.creation.icosphere(4, 1.0)
    faces = numpy.asarray(sphere.faces, numpy.int64)
    both = numpy.concatenate([faces, faces[:, ::-1]])
    mesh = normalize_mesh(numpy.asarray(sphere.vertices), both, "double")
    assert not inspect_mesh(mesh).solid
    closed = make_watertight(mesh, cells=64)
    report = inspect_mesh(closed)
    assert report.closed
    assert report.advice == ""
    assert report.inside == pytest.approx(4 / 3 * math.pi * (HALF_EXTENT + 1.5 * 2 / 64) ** 3 / 8, rel=0.03)
    assert trimesh.Trimesh(closed.vertices, closed.faces).volume > 0


@pytest.mark.parametrize("name", CLOSED + OPEN)
def test_signs_agree_with_exact_winding_numbers(name: str) -> None:
    import igl

    mesh = read_mesh(next(real_data("meshes").glob(f"{name}.*")))
    rows = sample_sdf_points(mesh, 1000, numpy.random.default_rng(1)).astype(float)
    exact = igl.winding_number(mesh.vertices, mesh.faces, numpy.ascontiguousarray(rows[:, :3]))
    wrong = ((exact > 0.5) != (rows[:, 3] < 0)).mean()
    assert wrong <= (0 if name in CLOSED else 0.001)
    assert bool(inspect_mesh(mesh).advice) == (name in OPEN)
