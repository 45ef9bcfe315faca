"""What is recomputed in the backward pass: the same gradients, in memory that does not grow with the points."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gonkit.batch import Batch
from gonkit.losses import MSELoss
from gonkit.nn import GON, DampedStep, GradientStep, InnerStep, Siren, SparseStep
from gonkit.training import CostCounter


def make_batch(points: str) -> Batch:
    torch.manual_seed(1)
    shared = Batch(torch.rand(50, 2).double() * 2 - 1, torch.rand(6, 50, 3).double())
    if points == "own":
        return replace(shared, coords=torch.rand(6, 50, 2).double() * 2 - 1)
    return replace(shared, source=torch.rand(6, 50, 2).double()) if points == "source" else shared


@pytest.mark.parametrize("max_points", [7, 50, 120])
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize(
    ("points", "inner_step"),
    [
        ("shared", GradientStep(3.0)),
        ("shared", DampedStep(3.0)),
        ("own", GradientStep(3.0)),
        ("own", DampedStep(3.0)),
        ("source", SparseStep(3.0)),
    ],
    ids=str,
)
def test_gradients_do_not_depend_on_what_is_kept(
    points: str, inner_step: InnerStep, steps: int, max_points: int
) -> None:
    torch.manual_seed(0)
    field = Siren(2, 3, 5, 2 if points == "source" else 0, width=12, layers=2)
    gon = GON(field, MSELoss(), inner_step, steps=steps).double()
    batch = make_batch(points)

    def gradients(limit: int | None) -> list[torch.Tensor]:
        gon.zero_grad()
        prediction = gon(batch, max_points=limit)
        MSELoss()(prediction, batch).mean().backward()
        return [w.grad.clone() for w in gon.parameters() if w.grad is not None]

    for kept, recomputed in zip(gradients(None), gradients(max_points), strict=True):
        torch.testing.assert_close(kept, recomputed, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("own", "steps"), [(False, 1), (False, 2), (True, 1), (True, 2)])
def test_kept_memory_does_not_grow_with_the_points(own: bool, steps: int) -> None:
    torch.manual_seed(0)
    gon = GON(Siren(2, 1, 4, width=128, layers=3), MSELoss(), GradientStep(3.0), steps=steps)

    def kept_bytes(points: int, max_points: int | None) -> int:
        """Bytes that a forward pass leaves to the backward one."""
        signals = Batch(torch.rand(*([4] if own else []), points, 2), torch.rand(4, points, 1))
        with CostCounter() as counter:
            prediction = gon(signals, max_points=max_points)
        assert prediction.latent.requires_grad
        return counter.alive

    assert kept_bytes(4000, None) > 3.5 * kept_bytes(1000, None)
    assert kept_bytes(4000, 500) < 0.1 * kept_bytes(4000, None)
