"""The estimated cost of a step is that of a real step."""

from __future__ import annotations

import pytest
import torch

from gonkit.batch import Batch
from gonkit.inference import build_gon
from gonkit.recipe import Recipe, parse_recipe
from gonkit.training import CostCounter, StepSampler, TrainStep, estimate_step_cost

CPU = torch.device("cpu")
WIDTH, SIZE, POINTS = 64, 8, 400


def make_recipe(train: str = "", more: str = "") -> Recipe:
    return parse_recipe(f"""
        name = "x"
        signal.type = "signals.image:Image"
        field.width = {WIDTH}
        {more}
        [train]
        batch = {SIZE}
        precision = "fp32"
        compile = false
        {train}
    """)


def make_signals(own: bool) -> Batch:
    torch.manual_seed(0)
    return Batch(torch.rand(*([SIZE] if own else []), POINTS, 2), torch.rand(SIZE, POINTS, 1))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    ("train", "more"),
    [
        ("max_points = 0", ""),
        ("max_points = 0\npoints = 100", ""),
        ("max_points = 500", ""),
        ("max_points = 0", 'latent.origin = "gradient"'),
        ("max_points = 0", "latent.steps = 2"),
        ("max_points = 0", "loss.outer = { mse = 1.0, latent_gradient = 1e-3 }"),
        ("max_points = 0", "loss.outer = { mse = 1.0, kl = 1e-3 }"),
    ],
)
def test_the_estimated_memory_is_that_of_a_step(train: str, more: str, own: bool) -> None:
    recipe, batch = make_recipe(train, more), make_signals(own)
    step = TrainStep(build_gon(recipe), recipe, StepSampler(0, 100, SIZE))
    with CostCounter() as counter:
        step.loss(1, step.prepare(1, batch, batch))[1].backward()
    estimated = estimate_step_cost(recipe, batch[:1], batch[:1], CPU).peak_mib
    assert estimated == pytest.approx(counter.peak / 2**20, rel=0.05)


def test_the_work_is_that_of_the_matrix_products() -> None:
    one = make_signals(own=False)[:1]
    few, many = (
        estimate_step_cost(make_recipe(f"max_points = 0\npoints = {points}"), one, one, CPU) for points in (100, 200)
    )
    weights = 3 * WIDTH**2 + 2 * WIDTH + WIDTH  # layers, coordinates and value
    more = 100 * SIZE * weights * 2 * 3  # forward, and backward by inputs and by weights
    assert many.flops - few.flops == pytest.approx(more, rel=0.02)
