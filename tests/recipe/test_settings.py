"""The sections of a recipe and their defaults."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from gonkit.data import Settings
from gonkit.errors import RecipeError
from gonkit.losses import HuberLoss, MSELoss
from gonkit.nn import DampedStep, GradientStep, InnerStep, SparseStep
from gonkit.recipe import Recipe, parse_recipe, read_recipe
from gonkit.recipe.parsing import SECTIONS
from tests.conftest import RECIPE, ROOT


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").rglob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_are_right_and_short(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert parse_recipe(recipe.toml()) == recipe
    written = len([line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")])
    assert written <= 25


@pytest.mark.parametrize("settings_type", [*SECTIONS.values(), Recipe], ids=lambda kind: kind.__name__)
def test_every_setting_has_a_docstring(settings_type: type[Settings]) -> None:
    source = inspect.getsource(settings_type)
    undocumented = {"name", *SECTIONS} if settings_type is Recipe else set()
    for key in settings_type.model_fields.keys() - undocumented:
        after = source.split(f"    {key}: ")[1].split("\n")[1]
        assert '"""' in after, f"{settings_type.__name__}.{key} has no docstring"


@pytest.mark.parametrize(
    ("latent", "inner_step"),
    [
        ([], DampedStep(100.0)),
        (["origin=damped", "step=5.0"], DampedStep(5.0)),
        (["origin=gradient"], GradientStep(12.25)),
        (["origin=gradient", "step=3.0"], GradientStep(3.0)),
        (["origin=sparse"], SparseStep(12.25, 0.5)),
        (["origin=sparse", "step=2.0", "threshold=0.1"], SparseStep(2.0, 0.1)),
    ],
    ids=str,
)
def test_the_inner_step_is_that_of_the_settings(latent: list[str], inner_step: InnerStep) -> None:
    recipe = parse_recipe(RECIPE, [f"latent.{setting}" for setting in latent])
    assert recipe.latent.inner_step == inner_step


def test_losses_are_the_signal_type_s_where_the_recipe_names_none() -> None:
    objective = parse_recipe(RECIPE).objective
    assert isinstance(objective.inner, MSELoss)
    assert {name: weight for name, (weight, _) in objective.outer.items()} == {"mse": 1.0}
    recipe = parse_recipe(RECIPE, ["loss.inner=huber", "loss.outer={ l1 = 2.0, kl = 0.1 }", "loss.anneal.kl=7"])
    assert recipe.objective.inner == HuberLoss()
    assert {name: weight for name, (weight, _) in recipe.objective.outer.items()} == {"l1": 2.0, "kl": 0.1}
    assert recipe.objective.anneal == {"kl": 7}
    assert recipe.objective is recipe.objective  # read once


def test_other_settings_of_training_leave_the_rest() -> None:
    recipe = parse_recipe(RECIPE)
    changed = recipe.with_train(steps=3, compile=False)
    assert (changed.train.steps, changed.train.compile, recipe.train.steps) == (3, False, 12)
    assert changed.with_train(steps=12, compile="auto") == recipe


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("name='a/b'", "name: got 'a/b'"),
        ("train.steps=0", "train.steps: got 0; expected greater than 0"),
        ("latent.dropout=1.5", "latent.dropout: got 1.5; expected less than or equal to 1"),
        ("train.precision=fp16", "train.precision: got 'fp16'; expected 'auto', 'fp32' or 'bf16'"),
        ("train.max_points=-1", "train.max_points: got -1; expected greater than or equal to 0, or 'auto'"),
        ("evaluate.observed=[0.5, 0]", "evaluate.observed.1: got 0; expected greater than 0"),
        ("prior={ kind = 'unit', per_class = true }", 'prior: per_class: "unit" is the same for every class'),
    ],
)
def test_values_out_of_range_are_explained(override: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(RECIPE, [override])
    assert message in str(caught.value)


def test_settings_cannot_be_reassigned() -> None:
    recipe: Any = parse_recipe(RECIPE)
    with pytest.raises(ValueError, match="frozen"):
        recipe.train.steps = 3
