"""From a recipe to its untrained network."""

from __future__ import annotations

__all__ = ["build_gon"]

from gonkit.data import Signal
from gonkit.nn import GON, PosteriorHead, Siren, classifier_head
from gonkit.recipe import Recipe


def build_gon(recipe: Recipe, value_scale: float = 1.0, encoder_scale: float = 1.0, classes: int = 0) -> GON:
    """The untrained network of a recipe.

    Args:
        recipe: what it is to learn.
        value_scale: standard deviation of the training targets' values.
        encoder_scale: that of the training inputs' values, where they are of another signal type.
        classes: N, of a label head if the recipe's losses need one.
    """
    task, objective, latent = recipe.signal, recipe.objective, recipe.latent
    standardize = recipe.field.standardize
    # Weights are drawn in this order
    field = _build_field(recipe, task.output_type, task.conditioning_channels)
    encoder = _build_field(recipe, task.input_type) if task.has_separate_encoder else None
    has_classifier = classes > 0 and objective.requires("label")
    classifier = classifier_head(latent.dim, classes, latent.head_width) if has_classifier else None
    posterior = PosteriorHead(latent.dim) if objective.requires("posterior") else None
    return GON(
        field,
        objective.inner,
        latent.inner_step,
        steps=latent.steps,
        refine=latent.refine,
        bf16=recipe.train.precision == "bf16",
        value_scale=value_scale if standardize and not objective.outputs_logits else 1.0,
        outputs_logits=objective.outputs_logits,
        encoder=encoder,
        encoder_scale=encoder_scale if standardize and not objective.inner.expects_logits else 1.0,
        classifier=classifier,
        posterior=posterior,
    )


def _build_field(recipe: Recipe, signal: Signal, source_channels: int = 0) -> Siren:
    settings = recipe.field
    return Siren(
        signal.grid().dim,
        signal.channels,
        recipe.latent.dim,
        source_channels,
        width=settings.width,
        layers=settings.layers,
        omega=settings.omega,
        omega_hidden=settings.omega_hidden,
        init=settings.init,
        latent_layers=settings.latent,
    )
