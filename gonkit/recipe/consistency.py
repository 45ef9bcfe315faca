"""Mistakes in combinations of a recipe's keys that are valid by themselves."""

from __future__ import annotations

__all__ = ["check_consistency", "not_utf8"]

from gonkit.errors import GonkitError
from gonkit.files import printable
from gonkit.limits import MAX_VALUES
from gonkit.losses import PointwiseLoss
from gonkit.recipe.settings import Recipe


def check_consistency(recipe: Recipe) -> list[str]:
    """One line for each mistake."""
    task = recipe.signal
    try:
        recipe.toml().encode()  # its paths have become absolute
    except UnicodeEncodeError as error:
        return [not_utf8(error)]
    try:
        objective = recipe.objective
    except (GonkitError, ValueError) as error:
        return [f"loss: {error}"]
    problems = []
    if objective.differentiates and recipe.train.compile is True:
        problems.append(
            "train.compile: a loss here differentiates the field, which then cannot be compiled; set it to false"
        )
    if (count := recipe.min_weights()) > MAX_VALUES:
        problems.append(f"field: a network of {count:,} weights; the limit is {MAX_VALUES:,}")
    if recipe.latent.dropout and not task.conditioning_channels:
        problems.append("latent.dropout: only signals with a source can be predicted from the origin; set it to 0")
    if objective.requires("input") and not task.has_separate_encoder:
        problems.append(
            "loss.outer.source: there is no source to predict; it belongs to a task that converts one signal to another"
        )
    if not isinstance(objective.inner, PointwiseLoss):
        name = recipe.loss.inner or task.input_type.default_losses.inner
        if recipe.latent.inner_step.uses_curvature:
            problems.append(
                f'latent.origin: "{recipe.latent.origin}" needs a pointwise inner loss and {name!r} is none; set '
                'origin = "gradient"'
            )
        if recipe.latent.refine:
            problems.append(f"latent.refine: refinement needs a pointwise inner loss and {name!r} is none; set it to 0")
    if recipe.train.polish and not recipe.latent.refine:
        problems.append("train.polish: trains on refined latents, and latent.refine is 0; set latent.refine = 2, say")
    if recipe.train.polish and objective.requires("posterior"):
        problems.append("train.polish: the latents of a variational model are sampled, not refined; set it to 0")
    return problems


def not_utf8(error: UnicodeEncodeError) -> str:
    """A sentence about a path or name that cannot be written into a recipe."""
    where = printable(error.object[max(0, error.start - 60) : error.end])
    return f"a path or name that is not UTF-8, ...{where}; rename the file or folder"
