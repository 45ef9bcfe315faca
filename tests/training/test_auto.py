"""What "auto" chooses, from the work of a step and the machine."""

from __future__ import annotations

import pytest
import torch

from gonkit.batch import Batch
from gonkit.recipe import Recipe, parse_recipe
from gonkit.training import auto, estimate_step_cost, resolve_auto_settings

CPU = torch.device("cpu")


def make_recipe(train: str = "", loss: str = "") -> Recipe:
    return parse_recipe(f'name = "x"\n[signal]\ntype = "signals.image:Image"\n[train]\n{train}\n[loss]\n{loss}')


def test_auto_compares_the_work_with_the_time_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Batch(torch.zeros(784, 2), torch.zeros(1, 784, 1))
    monkeypatch.setattr(auto, "_has_compiler", lambda: True)
    monkeypatch.setattr(auto, "_has_fast_bf16", lambda device: True)
    monkeypatch.setattr(auto, "free_memory_mib", lambda device: 64_000.0)
    monkeypatch.setattr(auto, "_product_flops_per_second", lambda recipe, device: 1e11)
    long, reasons = resolve_auto_settings(make_recipe("steps = 100000"), one, one, CPU)
    assert (long.train.compile, long.train.precision, long.train.max_points) == (True, "bf16", 0)
    assert reasons["train.compile"].startswith("yes (about")
    short, reasons = resolve_auto_settings(make_recipe("steps = 1"), one, one, CPU)
    assert (short.train.compile, short.train.precision) == (False, "fp32")
    assert "saves less than it takes" in reasons["train.compile"]
    monkeypatch.setattr(auto, "_has_fast_bf16", lambda device: False)
    medium = f"steps = {round(80 * 0.75 * 1e11 / estimate_step_cost(make_recipe(), one, one, CPU).flops)}"  # 80 s
    assert resolve_auto_settings(make_recipe(medium), one, one, CPU)[0].train.compile is False  # in fp32 it saves 10 s
    monkeypatch.setattr(auto, "_has_fast_bf16", lambda device: True)
    assert resolve_auto_settings(make_recipe(medium), one, one, CPU)[0].train.compile is True
    assert resolve_auto_settings(make_recipe(f'{medium}\nprecision = "fp32"'), one, one, CPU)[0].train.compile is False
    penalized, reasons = resolve_auto_settings(
        make_recipe("steps = 100000", "outer = { mse = 1.0, latent_gradient = 1e-4 }"), one, one, CPU
    )
    assert penalized.train.compile is False
    assert "differentiates" in reasons["train.compile"]
    monkeypatch.setattr(auto, "_has_compiler", lambda: False)
    assert resolve_auto_settings(make_recipe("steps = 100000"), one, one, CPU)[0].train.compile is False


def test_the_rate_of_products_is_measured() -> None:
    assert 1e7 < auto._product_flops_per_second(make_recipe(), CPU) < 1e14


def test_what_a_recipe_sets_is_kept() -> None:
    one = Batch(torch.zeros(784, 2), torch.zeros(1, 784, 1))
    recipe = make_recipe('compile = true\nprecision = "fp32"\nmax_points = 5')
    resolved, reasons = resolve_auto_settings(recipe, one, one, CPU)
    assert (resolved.train.compile, resolved.train.precision, resolved.train.max_points) == (True, "fp32", 5)
    assert reasons == {}


def test_auto_keeps_fewer_points_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Batch(torch.zeros(1, 2).expand(1 << 16, 2), torch.zeros(1, 1, 1).expand(1, 1 << 16, 1))
    monkeypatch.setattr(auto, "free_memory_mib", lambda device: 2600.0)
    resolved, reasons = resolve_auto_settings(make_recipe("batch = 16"), one, one, CPU)
    assert isinstance(resolved.train.max_points, int)
    assert 0 < resolved.train.max_points < 16 << 16
    assert estimate_step_cost(resolved, one, one, CPU).peak_mib < 0.55 * 2600
    assert "would take" in reasons["train.max_points"]
    assert resolved.train.compile is False
