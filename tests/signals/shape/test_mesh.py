"""Meshes: read, normalized, inspected and made watertight."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy
import pytest
import trimesh

from gonkit.cli import main
from gonkit.errors import GonkitError
from signals.shape import inspect_mesh, make_watertight, read_mesh
from signals.shape.mesh import HALF_EXTENT, export_mesh, normalize_mesh, signed_distance
from signals.shape.orientation import orient_parts
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


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".off"])
def test_concave_faces_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    """A prism over an arrow and a plus, whose corners bend inwards where a fan would leave the face."""
    arrow = [(0, 0), (4, 0), (4, 4), (3, 1)]
    plus = [(2, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 2), (0, 2), (0, 1), (1, 1), (1, 0), (2, 0)]
    for outline, area in ((arrow, 4.0), (plus, 5.0)):
        path = write_prism(tmp_path / f"prism{len(outline)}{suffix}", outline)
        mesh = read_mesh(path)
        read = trimesh.Trimesh(mesh.normalization.denormalize(mesh.vertices), mesh.faces, process=False)
        sides = sum(math.dist(a, b) for a, b in zip(outline, outline[1:] + outline[:1], strict=True))
        assert read.volume == pytest.approx(area, rel=1e-6)
        assert read.area == pytest.approx(2 * area + sides, rel=1e-6)
        report = inspect_mesh(mesh)
        assert report.closed
        assert report.inside == pytest.approx(area / mesh.normalization.scale**3 / 8, rel=0.05)


def write_prism(path: Path, outline: list[tuple[int, int]]) -> Path:
    """Writes a prism of height 1, lying askew, whose bases are one face each."""
    n = len(outline)
    flat = numpy.array([(x, y, z) for z in (0, 1) for x, y in outline], float)
    vertices = flat @ trimesh.transformations.rotation_matrix(1.0, (3, 1, 2))[:3, :3].T
    walls = [[i, (i + 1) % n, n + (i + 1) % n, n + i] for i in range(n)]
    faces = [list(range(n))[::-1], list(range(n, 2 * n)), *walls]
    corners = "\n".join(" ".join(f"{x:.9f}" for x in row) for row in vertices)
    if path.suffix == ".obj":
        lines = (
            "v " + corners.replace("\n", "\nv ") + "".join("\nf " + " ".join(f"{i + 1}/1" for i in f) for f in faces)
        )
    else:
        rows = "\n".join(" ".join(map(str, [len(face), *face])) for face in faces)
        header = f"OFF\n{2 * n} {len(faces)} 0  # no edges\n"
        if path.suffix == ".ply":
            header = f"ply\nformat ascii 1.0\nelement vertex {2 * n}\n"
            header += "".join(f"property float {axis}\n" for axis in "xyz")
            header += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
        lines = header + corners + "\n" + rows
    path.write_text(lines + "\n")
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mixed", [False, True])
def test_binary_faces_of_any_number_of_corners_are_read(tmp_path: Path, order: str, mixed: bool) -> None:
    kind = {"<": "little", ">": "big"}[order]
    header = f"ply\nformat binary_{kind}_endian 1.0\nelement vertex 5\nproperty double x\nproperty uchar red\n"
    header += f"property double y\nproperty double z\nelement face {2 - (not mixed)}\nproperty float quality\n"
    header += "property list uchar int vertex_indices\nend_header\n"
    corners = [(0, 0, 0), (4, 0, 0), (4, 4, 0), (2, 1, 0), (0, 4, 0)]
    content = b"".join(struct.pack(order + "dBdd", x, 7, y, z) for x, y, z in corners)
    content += struct.pack(order + "fB5i", 0.5, 5, 0, 1, 2, 3, 4)
    content += struct.pack(order + "fB3i", 0.5, 3, 0, 1, 4) if mixed else b""
    path = tmp_path / "mesh.ply"
    path.write_bytes(header.encode() + content)
    mesh = read_mesh(path)
    area = trimesh.Trimesh(mesh.normalization.denormalize(mesh.vertices), mesh.faces, process=False).area
    assert area == pytest.approx(10 + 8 * mixed)
    path.write_bytes(header.encode() + content[:-3])
    with pytest.raises(GonkitError, match=r"mesh\.ply: cannot be read as a mesh"):
        read_mesh(path)


def cube(side: float, x: float = 0.0) -> trimesh.Trimesh:
    return trimesh.creation.box((side,) * 3, trimesh.transformations.translation_matrix((x, 0, 0)))


@pytest.mark.parametrize("soup", [False, True])
@pytest.mark.parametrize(
    ("parts", "volume"),  # side, place along x, whether it is inside out
    [
        ([(1, 0, False), (1, 3, True)], 2.0),
        ([(1, 0, True), (1, 3, True)], 2.0),
        ([(1, 0, False), (0.5, 0, True)], 1 - 0.125),  # a cavity
        ([(1, 0, True), (0.5, 0, False)], 1 - 0.125),  # and all of it inside out
        ([(1, 0, False), (0.6, 0, True), (0.2, 0, True)], 1 - 0.216 + 0.008),  # something in a cavity
    ],
)
def test_parts_that_are_inside_out_are_turned(
    tmp_path: Path, parts: list[tuple[float, float, bool]], volume: float, soup: bool
) -> None:
    cubes = [cube(side, x) for side, x, _ in parts]
    for one, (_, _, inverted) in zip(cubes, parts, strict=True):
        if inverted:
            one.invert()
    whole = trimesh.util.concatenate(cubes)
    if soup:
        whole.unmerge_vertices()
    path = tmp_path / "parts.ply"
    whole.export(path)
    mesh = read_mesh(path)
    read = trimesh.Trimesh(mesh.normalization.denormalize(mesh.vertices), mesh.faces, process=False)
    assert read.volume == pytest.approx(volume, rel=1e-5)
    assert inspect_mesh(mesh).advice == ""


def test_faces_of_one_part_that_disagree_are_turned_and_open_parts_are_not() -> None:
    ball = trimesh.creation.icosphere(3)
    faces = numpy.array(ball.faces, numpy.int64)
    mixed = faces.copy()
    mixed[::3] = mixed[::3, ::-1]
    turned = orient_parts(numpy.array(ball.vertices), mixed)
    assert trimesh.Trimesh(ball.vertices, turned, process=False).volume == pytest.approx(ball.volume)
    for surface in (mixed[1:], numpy.concatenate([faces, faces[:, ::-1]])):
        assert (orient_parts(numpy.array(ball.vertices), surface) == surface).all()


def test_parts_that_ruin_the_scale_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, far in (("near", 0.9), ("far", 40.0)):
        trimesh.util.concatenate([cube(1), cube(0.01, far)]).export(tmp_path / f"{name}.ply")
    assert inspect_mesh(read_mesh(tmp_path / "near.ply")).advice == ""
    report = inspect_mesh(read_mesh(tmp_path / "far.ply"))
    assert report.core == pytest.approx(1 / 40.5, rel=0.02)
    main(["check", str(tmp_path)])
    said = capsys.readouterr().out
    assert "99 % of its surface takes up only 2.5% of its size, because a small part lies far from the rest" in said
