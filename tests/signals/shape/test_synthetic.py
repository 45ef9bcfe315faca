"""The built-in shapes: exact tests for what is inside, and exact meshes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
import pytest
import torch
import trimesh

from gonkit.data import Split
from signals.shape import Distance, Occupancy, inspect_mesh
from signals.shape.datasets import NUM_ENCODE_POINTS
from signals.shape.mesh import normalize_mesh, sample_surface, signed_distance
from signals.shape.solids import Solid
from signals.shape.synthetic import CLASSES, make_solid

SOME = range(0, 90, 3), range(1, 90, 3), range(2, 90, 3)  # of each class


@pytest.mark.parametrize("numbers", SOME, ids=CLASSES)
def test_what_is_inside_is_what_the_mesh_encloses(numbers: range) -> None:
    generator = numpy.random.default_rng(0)
    for number in numbers:
        solid = make_solid(number)
        mesh = solid.mesh()
        surface, _ = sample_surface(mesh.vertices, mesh.faces, 1500, generator)
        near = surface + generator.choice([0.002, 0.02], (1500, 1)) * generator.standard_normal((1500, 3))
        points = numpy.concatenate([near, generator.uniform(-1, 1, (1500, 3))])
        distance, _ = signed_distance(mesh, points)
        clear = numpy.abs(distance) > 1e-6
        assert (solid.contains(points) == (distance < 0))[clear].all(), solid.name


@pytest.mark.parametrize("number", range(0, 240, 7))
def test_shapes_are_watertight_one_piece_and_always_the_same(number: int) -> None:
    solid = make_solid(number)
    mesh = solid.mesh()
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert whole.is_watertight, solid.name
    assert len(whole.split()) == 1, solid.name
    assert inspect_mesh(mesh).advice == ""
    assert (make_solid(number).mesh().vertices == mesh.vertices).all()
    normal = normalize_mesh(mesh.vertices, mesh.faces, solid.name)  # it is normalized already
    assert normal.vertices == pytest.approx(mesh.vertices, abs=1e-9)
    assert mesh.normalization.center == pytest.approx(solid.normalization.center, abs=1e-6)
    assert mesh.normalization.scale == pytest.approx(solid.normalization.scale, rel=1e-6)


def test_half_of_the_points_are_near_a_visible_surface() -> None:
    for number in range(9):
        solid = make_solid(number)
        points, inside = solid.sample_points(4000, numpy.random.default_rng(0))
        distance, _ = signed_distance(solid.mesh(), points)
        assert (inside == (distance < 0)).all()
        near = numpy.abs(distance) < 0.15  # three standard deviations
        uniform, _ = signed_distance(solid.mesh(), numpy.random.default_rng(1).uniform(-1, 1, (4000, 3)))
        assert near.mean() == pytest.approx((1 + (numpy.abs(uniform) < 0.15).mean()) / 2, abs=0.03), solid.name
        assert near[:2000].mean() == pytest.approx(near[2000:].mean(), abs=0.06)  # shuffled


@pytest.mark.parametrize("shared", [False, True])
def test_a_family_is_split_by_number_and_needs_no_files(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Solid, "mesh", None)  # until one is asked for
    signal = Occupancy(count=60, points=512, shared=shared, cache="nowhere")
    splits: dict[Split, int] = {"train": 48, "val": 6, "test": 6}
    names = [name for split in splits for name in signal.dataset(split).info.names_of(torch.arange(splits[split]))]
    assert sorted(names) == sorted(make_solid(number).name for number in range(60))
    dataset = signal.dataset("val")
    index = torch.tensor([5, 0])
    training, evaluation = dataset.pair(index), dataset.pair(index, evaluate=True)
    assert training.target.values.shape == (2, 512, 1)
    assert training.input.shares_coords == shared
    assert evaluation.target.values.shape == (2, 20_000, 1)
    assert evaluation.input.values.shape[1] == (NUM_ENCODE_POINTS if shared else 512)
    assert torch.equal(evaluation.input.values, dataset.evaluation_input(index).values)
    assert dataset.info.labels is not None
    for batch in (*training, *evaluation):
        for row, number in enumerate(index.tolist()):
            coords = batch.coords if batch.shares_coords else batch.coords[row]
            inside = make_solid_named(dataset.info.names_of(index)[row]).contains(coords.double().numpy())
            assert (torch.from_numpy(inside) == batch.values[row, :, 0].bool()).float().mean() > 0.999
            assert batch.label is not None
            assert dataset.info.class_name(int(batch.label[row])) == dataset.info.names_of(index)[row].split()[0]
            assert int(dataset.info.labels[number]) == int(batch.label[row])


def test_larger_families_begin_with_smaller_ones() -> None:
    few, many = (Occupancy(count=count, points=256, held_out=0.0).dataset("train") for count in (30, 40))
    assert torch.equal(few.batch(torch.arange(30)).coords, many.batch(torch.arange(30)).coords)


def test_signed_distances_come_from_the_meshes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals.shape.point_cache.SERIAL_SECONDS", math.inf)
    signal = Distance(count=10, points=256, held_out=0.0, cache=str(tmp_path))
    batch = signal.dataset("train").batch(torch.arange(3))
    for row in range(3):
        inside = make_solid(row).contains(batch.coords[row].double().numpy())
        assert (torch.from_numpy(inside) == (batch.values[row, :, 0] < 0)).float().mean() > 0.99
    assert batch.label is not None
    assert batch.label.tolist() == [2, 0, 1]  # alphabetical, as folders are


def make_solid_named(name: str) -> Solid:
    """The solid of a name such as "table 2"."""
    class_name, number = name.split()
    return make_solid((int(number) - 1) * len(CLASSES) + CLASSES.index(class_name))
