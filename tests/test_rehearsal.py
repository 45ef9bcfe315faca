"""A step without data takes what a step takes."""

from __future__ import annotations

import pytest
import torch

from gonkit.draws import Draws
from gonkit.model import build
from gonkit.recipe import Recipe, parse_recipe
from gonkit.rehearsal import Ledger, rehearse
from gonkit.signal import Batch
from gonkit.step import Step

CPU = torch.device("cpu")
WIDTH, SIZE, POINTS = 64, 8, 400


def recipe(more: str = "") -> Recipe:
    text = f'name = "x"\n[signal]\ntype = "signals.image:Image"\n[field]\nwidth = {WIDTH}\n'
    train = f'[train]\nbatch = {SIZE}\nprecision = "fp32"\ncompile = false\n'
    return parse_recipe(text + (more if "[train]" in more else train + more).replace("[train]\n", train, 1))


def signals(own: bool) -> Batch:
    torch.manual_seed(0)
    return Batch(torch.rand(*([SIZE] if own else []), POINTS, 2), torch.rand(SIZE, POINTS, 1))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    "more",
    [
        "rows = 0",
        "rows = 0\npoints = 100",
        "rows = 500",
        'rows = 0\n[latent]\norigin = "damped"',
        "rows = 0\n[latent]\nsteps = 2",
        "rows = 0\n[loss]\nouter = { mse = 1.0, latent_gradient = 1e-3 }",
        "rows = 0\n[loss]\nouter = { mse = 1.0, kl = 1e-3 }",
    ],
)
def test_memory_is_foreseen(more: str, own: bool) -> None:
    chosen, batch = recipe("[train]\n" + more), signals(own)
    step = Step(build(chosen), chosen, Draws(0, 100, SIZE))
    with Ledger() as held:
        step.loss(1, step.draw(1, batch, batch))[1].backward()
    foreseen = rehearse(chosen, batch[:1], batch[:1], CPU).megabytes
    assert foreseen == pytest.approx(held.peak / 2**20, rel=0.05)


def test_work_is_that_of_the_matrix_products() -> None:
    few, many = (
        rehearse(recipe(f"[train]\nrows = 0\npoints = {n}"), *[signals(False)[:1]] * 2, CPU) for n in (100, 200)
    )
    weights = 3 * WIDTH**2 + 2 * WIDTH + WIDTH  # layers, coordinates and value
    more = 100 * SIZE * weights * 2 * 3  # forward, and backward by inputs and by weights
    assert many.operations - few.operations == pytest.approx(more, rel=0.02)
