"""One training step: its random tensors, its points, and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gonkit.inference import build_gon
from gonkit.recipe import Recipe, read_recipe
from gonkit.training import StepInputs, StepSampler, TrainStep
from gonkit.training.step import UNREFINED_SHARE
from tests.conftest import MODELS

Write = Callable[..., Path]


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
def test_a_step_draws_only_what_its_model_needs(recipe: Write, kind: str) -> None:
    _, inputs = prepared(read_recipe(recipe(*MODELS[kind])))
    assert (inputs.noise.noise is not None) == (kind == "variational")
    assert (inputs.noise.dropout_mask is not None) == (kind == "conditional")
    assert inputs.target.values.shape[1] == 32  # train.points


@pytest.mark.parametrize(("polish", "first"), [(0.0, None), (0.25, 10), (1.0, 1)])
def test_the_last_steps_polish(recipe: Write, polish: float, first: int | None) -> None:
    step, _ = prepared(read_recipe(recipe(*MODELS["polished"]), [f"train.polish={polish}"]))
    polishing = [number for number in range(1, 13) if step.polishes(number)]
    assert polishing == ([] if first is None else list(range(first, 13)))


@pytest.mark.parametrize("kind", ["polished", "conditional", "translation", "classifier"])
def test_a_polishing_step_adds_the_gradient_at_refined_latents(recipe: Write, kind: str) -> None:
    changes = ["latent.refine=2", "train.polish=0.5", "train.steps=12"]
    step, inputs = prepared(read_recipe(recipe(*MODELS[kind]), changes))
    gon, weights = step.gon, list(step.gon.parameters())
    prediction, losses = step.backward(12, inputs)
    got = [torch.zeros_like(weight) if weight.grad is None else weight.grad.clone() for weight in weights]
    prediction, loss, _ = step.loss(12, inputs)
    refined = step.refined_loss(12, inputs, prediction.latent.detach())
    parts = [torch.autograd.grad(part, weights, allow_unused=True, retain_graph=True) for part in (loss, refined)]
    for total, first, second in zip(got, *parts, strict=True):
        expected = torch.zeros_like(total) if first is None else UNREFINED_SHARE * first
        torch.testing.assert_close(total, expected if second is None else expected + second)
    assert losses["loss"].item() == pytest.approx((UNREFINED_SHARE * loss + refined).item())
    assert losses["refined"].item() == pytest.approx(refined.item())
    assert not gon.latent_precision.any()  # the loop measures latents when polish begins, not the step


def test_shards_of_a_polishing_step_have_its_mean_gradient(recipe: Write) -> None:
    settings = read_recipe(recipe(*MODELS["polished"]))
    train = settings.signal.dataset("train")
    step, _ = prepared(settings)
    step.gon.double()
    gradients = []
    for rows in (slice(0, 16), slice(0, 8), slice(8, 16)):
        step.gon.zero_grad()
        parts = (part.to(dtype=torch.float64) for part in train.pair(torch.arange(16)[rows]))
        step.backward(12, step.prepare(12, *parts))
        gradients.append([weight.grad for weight in step.gon.parameters() if weight.grad is not None])
    for whole, first, second in zip(*gradients, strict=True):
        torch.testing.assert_close((first + second) / 2, whole, rtol=1e-9, atol=1e-12)


def test_a_latent_that_is_given_is_decoded_as_it_is(recipe: Write) -> None:
    step, inputs = prepared(read_recipe(recipe()))
    inferred = step.predict(inputs)
    again = step.predict(inputs, inferred.latent.detach())
    assert torch.equal(inferred.values, again.values)
    assert not torch.equal(step.predict(inputs, 2 * inferred.latent).values, again.values)


def prepared(recipe: Recipe) -> tuple[TrainStep, StepInputs]:
    train = recipe.signal.dataset("train")
    torch.manual_seed(0)
    gon = build_gon(recipe, classes=len(train.info.class_names))
    step = TrainStep(gon, recipe, StepSampler(0, len(train), 16))
    return step, step.prepare(1, *train.pair(torch.arange(16)))
