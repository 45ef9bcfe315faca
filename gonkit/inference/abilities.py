"""What models of each kind can do; every refusal says why and what to do instead."""

from __future__ import annotations

__all__ = ["Ability", "obstacle"]

from typing import Literal

from gonkit.recipe import Recipe

Ability = Literal["encode", "decode", "sample", "predict", "reconstruct", "convert", "classify"]


def obstacle(ability: Ability, recipe: Recipe, *, has_classifier: bool) -> str | None:
    """Why a model of a recipe cannot do something, and what to do instead; None if it can.

    Args:
        ability: see `Model.require`.
        recipe: by which it was trained.
        has_classifier: whether it has a label head.
    """
    task = recipe.signal
    converts = task.input_type is not task.output_type
    if ability == "classify" and not has_classifier:
        return "it has no label head; train with a loss on labels, as in loss.outer = { cross_entropy = 1.0 }"
    if ability not in ("encode", "classify") and not recipe.objective.requires("values"):
        return "it was trained to classify only, so that its field decodes nothing; use gonkit classify"
    if ability == "reconstruct" and converts:
        return "it converts one type of signal to another; use gonkit convert"
    if ability == "convert" and not converts:
        return "it reconstructs signals of one type; use gonkit reconstruct"
    if task.conditioning_channels and ability in ("decode", "sample"):
        return "its field needs a source at every point; use gonkit convert, with --count for several results"
    if task.conditioning_channels and ability in ("encode", "classify"):
        return "a latent takes a source and a target together; use gonkit convert --style SOURCE TARGET"
    return None
