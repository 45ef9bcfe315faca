"""Shapes at points of their own and at shared points, and the points at which they are evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gonkit.batch import Batch
from gonkit.inference import build_gon, encode_signals, reconstruct_objects
from gonkit.recipe import recipe_from_dict
from signals.shape import Distance, Occupancy, SharedPointShapeDataset
from signals.shape.datasets import NUM_ENCODE_POINTS, shared_points
from signals.shape.mesh import HALF_EXTENT
from tests.signals.shape.conftest import write_ball

Settings = dict[str, Any]
POINTS = 5000  # more than latents are inferred from when evaluating


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Six equal balls in two classes, and a cache that the tests share."""
    folder = tmp_path_factory.mktemp("balls")
    for number in range(6):
        name = f"meshes/{('a', 'b')[number % 2]}/{number}.ply"
        write_ball(folder / name, radius=1 + number, center=(number, 0, 0), level=4)
    return {"data": str(folder / "meshes"), "cache": str(folder / "cache"), "points": POINTS}


@pytest.mark.parametrize("shape_type", [Occupancy, Distance])
def test_own_and_shared_points_have_the_values_of_the_shape(
    settings: Settings, shape_type: type[Occupancy | Distance]
) -> None:
    index = torch.arange(3)
    own, shared = (shape_type(**settings, shared=shared).dataset("train").pair(index) for shared in (False, True))
    assert (own.input.shares_coords, shared.input.shares_coords) == (False, True)
    assert own.input is own.target
    assert torch.equal(own.target.coords, shared.target.coords)
    for batch in (own.input, shared.input):
        coords = batch.coords.expand(3, -1, -1)
        expected = shape_type(**settings).values_from_sdf(coords.norm(dim=-1, keepdim=True) - HALF_EXTENT)
        assert ((batch.values - expected).abs() < 0.3).float().mean() > 0.99


@pytest.mark.parametrize("shared", [False, True])
def test_shapes_are_evaluated_at_points_kept_for_that(settings: Settings, shared: bool) -> None:
    dataset = Distance(**settings, shared=shared, held_out=0.0).dataset("test")
    assert isinstance(dataset, SharedPointShapeDataset) == shared
    index = torch.tensor([4, 1])
    training, evaluation = dataset.pair(index), dataset.pair(index, evaluate=True)
    assert training.target.values.shape == (2, POINTS, 1)
    assert evaluation.target.values.shape == (2, 20_000, 1)
    expected = evaluation.target.coords.norm(dim=-1, keepdim=True) - HALF_EXTENT
    assert (evaluation.target.values - Distance().values_from_sdf(expected)).abs().max() < 0.1
    assert evaluation.input.values.shape == (2, NUM_ENCODE_POINTS, 1)
    assert torch.equal(evaluation.input.values, training.input.values[:, :NUM_ENCODE_POINTS])
    assert torch.equal(evaluation.input.values, dataset.evaluation_input(index).values)
    for batch in (*training, *evaluation):
        assert batch.label is not None
        assert batch.label.tolist() == [dataset.info.class_names.index(n[0]) for n in dataset.info.names_of(index)]


def test_files_are_read_at_the_points_that_latents_are_inferred_from(settings: Settings) -> None:
    path = next(Path(settings["data"]).rglob("*.ply"))
    for shared in (False, True):
        signal = Occupancy(**settings, shared=shared)
        sample = signal.files.load(path)
        assert sample.coords is not None
        assert torch.equal(sample.coords, signal.files.load(path).coords)
        assert torch.equal(sample.coords, shared_points()) == shared
        assert len(sample.values) == (len(shared_points()) if shared else POINTS)


def test_everything_but_training_encodes_from_4096_points(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"type": "signals.shape:Occupancy", **settings, "held_out": 0.0, "cells": 8}
    recipe = recipe_from_dict({"name": "balls", "signal": table, "field": {"width": 8, "layers": 1}})
    gon, dataset = build_gon(recipe), recipe.signal.dataset("test")
    encode, num_points = gon.encode, []

    def counting_encode(batch: Batch, *, refine: int | None = None) -> torch.Tensor:
        num_points.append(batch.values.shape[1])
        return encode(batch, refine=refine)

    monkeypatch.setattr(gon, "encode", counting_encode)
    index = torch.tensor([0, 3])
    latent = encode_signals(gon, dataset, index)
    assert len(reconstruct_objects(gon, recipe.signal, dataset, index)) == 2
    assert num_points == [NUM_ENCODE_POINTS] * 2 == [4096] * 2
    torch.testing.assert_close(latent, encode(dataset.pair(index, evaluate=True).input))


def test_objects_return_to_where_the_original_was(settings: Settings) -> None:
    signal = Occupancy(**settings, held_out=0.0)
    dataset = signal.dataset("test")
    index = torch.tensor([1, 4])
    surfaces = dataset.references(index)
    for name, surface, transform in zip(dataset.info.names_of(index), surfaces, dataset.transforms(index), strict=True):
        number = int(Path(name).stem)
        bare = surface.with_normalization(None)
        assert bare.mesh().extents == pytest.approx(2 * HALF_EXTENT, abs=1e-5)
        for placed in (surface, signal.place(bare, transform)):
            mesh = placed.mesh()
            assert mesh.extents == pytest.approx(2 * (1 + number), rel=1e-4)
            assert mesh.bounds.mean(0) == pytest.approx((number, 0, 0), abs=1e-4)
