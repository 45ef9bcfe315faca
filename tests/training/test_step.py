"""The random tensors of a training step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gonkit.inference import build_gon
from gonkit.recipe import Recipe, read_recipe
from gonkit.training import StepInputs, StepSampler, TrainStep
from tests.conftest import MODELS


def test_noise_and_dropout_are_functions_of_seed_and_step() -> None:
    sampler, other = StepSampler(1, 30, 8), StepSampler(1, 30, 8)
    sampler.noise(1, 4)  # earlier draws do not matter
    assert torch.equal(sampler.noise(7, 4), other.noise(7, 4))
    assert not torch.equal(sampler.noise(7, 4), sampler.noise(8, 4))
    assert sampler.noise(7, 4).shape == (8, 4)
    dropped = torch.cat([sampler.dropout_mask(step, 0.3) for step in range(400)]).float()
    assert dropped.shape == (3200, 1)
    assert dropped.mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("kind", ["plain", "variational", "conditional"])
def test_a_step_draws_only_what_its_model_needs(recipe: Callable[..., Path], kind: str) -> None:
    inputs = prepare(read_recipe(recipe(*MODELS[kind])))
    assert (inputs.noise.noise is not None) == (kind == "variational")
    assert (inputs.noise.dropout_mask is not None) == (kind == "conditional")
    assert inputs.target.values.shape[1] == 32  # train.points


def prepare(recipe: Recipe) -> StepInputs:
    train = recipe.signal.dataset("train")
    step = TrainStep(build_gon(recipe), recipe, StepSampler(0, len(train), 16))
    return step.prepare(1, *train.pair(torch.arange(16)))
