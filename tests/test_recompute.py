"""What is computed again in the backward pass, and what "auto" chooses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gonkit import choices
from gonkit.choices import settled
from gonkit.gon import GON
from gonkit.losses import MSE
from gonkit.recipe import Recipe, parse_recipe
from gonkit.rehearsal import Ledger, rehearse
from gonkit.signal import Batch
from gonkit.siren import Siren

CPU = torch.device("cpu")


def batch(kind: str) -> Batch:
    torch.manual_seed(1)
    shared = Batch(torch.rand(50, 2).double() * 2 - 1, torch.rand(6, 50, 3).double())
    if kind == "own":
        return replace(shared, coords=torch.rand(6, 50, 2).double() * 2 - 1)
    return replace(shared, source=torch.rand(6, 50, 2).double()) if kind == "source" else shared


@pytest.mark.parametrize("rows", [7, 50, 120])
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize(
    ("kind", "origin"),
    [("shared", "gradient"), ("shared", "damped"), ("own", "gradient"), ("own", "damped"), ("source", "sparse")],
)
def test_gradients_do_not_depend_on_what_is_held(kind: str, origin: str, steps: int, rows: int) -> None:
    torch.manual_seed(0)
    field = Siren(2, 3, 5, 2 if kind == "source" else 0, width=12, layers=2)
    gon = GON(field, MSE(), step=3.0, steps=steps, origin=origin).double()  # type: ignore[arg-type]

    def gradients(limit: int | None) -> list[torch.Tensor]:
        gon.zero_grad()
        prediction = gon(batch(kind), rows=limit)
        MSE()(prediction, batch(kind)).mean().backward()
        return [w.grad.clone() for w in gon.parameters() if w.grad is not None]

    for whole, again in zip(gradients(None), gradients(rows), strict=True):
        torch.testing.assert_close(whole, again, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("own", "steps"), [(False, 1), (False, 2), (True, 1), (True, 2)])
def test_held_memory_does_not_grow_with_the_points(own: bool, steps: int) -> None:
    torch.manual_seed(0)
    gon = GON(Siren(2, 1, 4, width=128, layers=3), MSE(), step=3.0, steps=steps)

    def held(points: int, rows: int | None) -> int:
        """Bytes that a forward pass leaves to the backward one."""
        signals = Batch(torch.rand(*([4] if own else []), points, 2), torch.rand(4, points, 1))
        with Ledger() as kept:
            prediction = gon(signals, rows=rows)
        assert prediction.latent.requires_grad
        return kept.now

    assert held(4000, None) > 3.5 * held(1000, None)
    assert held(4000, 500) < 0.1 * held(4000, None)


def recipe(train: str = "", loss: str = "") -> Recipe:
    text = f'name = "x"\n[signal]\ntype = "signals.image:Image"\n[train]\n{train}\n[loss]\n{loss}'
    return parse_recipe(text)


def test_auto_weighs_the_work_against_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Batch(torch.zeros(784, 2), torch.zeros(1, 784, 1))
    monkeypatch.setattr(choices, "_compiler", lambda: True)
    monkeypatch.setattr(choices, "_fast_bf16", lambda device: True)
    long, why = settled(recipe("steps = 100000"), one, one, CPU)
    assert (long.train.compile, long.train.precision, long.train.rows) == (True, "bf16", 0)
    assert why["train.compile"].startswith("yes (about")
    short, why = settled(recipe("steps = 1"), one, one, CPU)
    assert (short.train.compile, short.train.precision) == (False, "fp32")
    assert "less than compiling takes" in why["train.compile"]
    penalized, why = settled(recipe("steps = 100000", "outer = { mse = 1.0, latent_gradient = 1e-4 }"), one, one, CPU)
    assert penalized.train.compile is False
    assert "differentiates" in why["train.compile"]
    monkeypatch.setattr(choices, "_compiler", lambda: False)
    assert settled(recipe("steps = 100000"), one, one, CPU)[0].train.compile is False
    said, why = settled(recipe('compile = true\nprecision = "fp32"\nrows = 5'), one, one, CPU)
    assert (said.train.compile, said.train.precision, said.train.rows, why) == (True, "fp32", 5, {})


def test_auto_holds_less_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Batch(torch.zeros(1, 2).expand(1 << 18, 2), torch.zeros(1, 1, 1).expand(1, 1 << 18, 1))
    monkeypatch.setattr(choices, "_free_megabytes", lambda device: 4000.0)
    chosen, why = settled(recipe("batch = 16"), one, one, CPU)
    assert isinstance(chosen.train.rows, int)
    assert 0 < chosen.train.rows < 16 << 18
    assert rehearse(chosen, one, one, CPU).megabytes < 2200
    assert "would take" in why["train.rows"]
    assert chosen.train.compile is False
