"""The optimizers of a network and their schedule."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from gonkit.inference import build_gon
from gonkit.nn import GON
from gonkit.recipe import Recipe, parse_recipe
from gonkit.training.optimizers import NetworkOptimizer
from tests.conftest import RECIPE


def small(*overrides: str) -> tuple[Recipe, GON]:
    recipe = parse_recipe(RECIPE, ["field.layers=3", *overrides])
    torch.manual_seed(0)
    return recipe, build_gon(recipe)


def gradients(gon: GON, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for weight in gon.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator)


def test_muon_takes_the_matrices_between_sine_layers_and_adam_the_rest() -> None:
    recipe, gon = small("train.optimizer=muon", "field.latent=all")
    adam, muon = NetworkOptimizer(gon, recipe.train).parts
    taken = [weight for group in muon.param_groups for weight in group["params"]]
    assert [id(weight) for weight in taken] == [id(layer.weight) for layer in gon.field.hidden]
    others = [weight for group in adam.param_groups for weight in group["params"]]
    assert len(taken) + len(others) == len(list(gon.parameters()))


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_weight_decay_takes_a_share_of_every_weight(name: str) -> None:
    recipe, gon = small(f"train.optimizer={name}", "train.weight_decay=2.0", "train.warmup=0")
    before = [weight.detach().clone() for weight in gon.parameters()]
    for weight in gon.parameters():
        weight.grad = torch.zeros_like(weight)
    NetworkOptimizer(gon, recipe.train).step()
    for old, new in zip(before, gon.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old * (1 - 2.0 * recipe.train.learning_rate))


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_a_restored_schedule_goes_on_exactly(name: str) -> None:
    recipe, one = small(f"train.optimizer={name}", "train.warmup=3", "train.steps=10")
    _, other = small(f"train.optimizer={name}")
    first, second = NetworkOptimizer(one, recipe.train), NetworkOptimizer(other, recipe.train)
    rates = []
    for step in range(10):
        rates.append(first.learning_rate)
        gradients(one, step)
        first.step()
        if step == 4:
            other.load_state_dict(one.state_dict())
            for a, b in zip(first.parts, second.parts, strict=True):
                state = b.state_dict() | {"state": copy.deepcopy(a.state_dict()["state"])}
                b.load_state_dict(state)
            second.start(5)
        if step > 4:
            assert second.learning_rate == rates[-1]
            gradients(other, step)
            second.step()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    settings = recipe.train
    for step, rate in enumerate(rates, 1):
        fall = 0.5 * (1 + math.cos(math.pi * (step - 1) / 10))
        expected = settings.learning_rate * min(1, step / 3) * (settings.lr_floor + (1 - settings.lr_floor) * fall)
        assert rate == pytest.approx(expected, rel=1e-12)


def test_a_network_of_one_layer_has_nothing_for_muon() -> None:
    recipe, gon = small("train.optimizer=muon", "field.layers=1")
    assert len(NetworkOptimizer(gon, recipe.train).parts) == 1
