"""Recipes: what a run is determined by."""

from __future__ import annotations

from gonkit.recipe.parsing import parse_recipe, read_recipe, recipe_from_dict
from gonkit.recipe.settings import (
    EvaluateSettings,
    FieldSettings,
    LatentSettings,
    LossSettings,
    PriorSettings,
    Recipe,
    SelectionRule,
    TrainSettings,
)
from gonkit.recipe.trust import TaskSource, remember_recipe, trusting_code

__all__ = [
    "EvaluateSettings",
    "FieldSettings",
    "LatentSettings",
    "LossSettings",
    "PriorSettings",
    "Recipe",
    "SelectionRule",
    "TaskSource",
    "TrainSettings",
    "parse_recipe",
    "read_recipe",
    "recipe_from_dict",
    "remember_recipe",
    "trusting_code",
]
