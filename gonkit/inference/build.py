"""From a recipe to its untrained network."""

from __future__ import annotations

__all__ = ["ValueStatistics", "build_gon", "start_series"]

from typing import NamedTuple

from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import Signal, evenly_spaced
from gonkit.nn import GON, FourierSeries, PosteriorHead, Siren, classifier_head
from gonkit.recipe import Recipe

MAX_SERIES_SIGNALS = 2048  # on whose principal components a Fourier series starts


class ValueStatistics(NamedTuple):
    """Of the values of each channel.

    Attributes:
        mean: (C,), or one for all channels.
        std: (C,), or one for all channels.
    """

    mean: float | Tensor = 0.0
    std: float | Tensor = 1.0


AS_THEY_ARE = ValueStatistics()


def build_gon(
    recipe: Recipe, targets: ValueStatistics = AS_THEY_ARE, inputs: ValueStatistics = AS_THEY_ARE, classes: int = 0
) -> GON:
    """The untrained network of a recipe.

    Args:
        recipe: what it is to learn.
        targets: of the training targets' values.
        inputs: of the training inputs' values, where they are of another signal type.
        classes: N, of a label head if the recipe's losses need one.
    """
    task, objective, latent = recipe.signal, recipe.objective, recipe.latent
    targets = targets if recipe.field.standardize and not objective.outputs_logits else AS_THEY_ARE
    inputs = inputs if recipe.field.standardize and not objective.inner.expects_logits else AS_THEY_ARE
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
        value_scale=targets.std,
        value_mean=targets.mean,
        outputs_logits=objective.outputs_logits,
        encoder=encoder,
        encoder_scale=inputs.std,
        encoder_mean=inputs.mean,
        classifier=classifier,
        posterior=posterior,
    )


def _build_field(recipe: Recipe, signal: Signal, source_channels: int = 0) -> Siren:
    settings, sizes = recipe.field, (signal.grid().dim, signal.channels, recipe.latent.dim)
    return Siren(
        *sizes,
        source_channels,
        width=settings.width,
        layers=settings.layers,
        omega=settings.omega,
        omega_hidden=settings.omega_hidden,
        init=settings.init,
        latent_layers=settings.latent,
        series=FourierSeries(*sizes, settings.series, width=settings.series_width) if settings.series else None,
    )


def start_series(gon: GON, inputs: Batch, target: Batch) -> None:
    """Starts the fields' Fourier series, if they have one, at the principal components of training signals.

    `inputs` and `target` are in the signals' own units. Where the losses expect logits they stay as they were drawn.
    """
    encoder, field = gon.encoder_field.series, gon.field.series
    if encoder is None or field is None or gon.loss.expects_logits:
        return
    some = evenly_spaced(MAX_SERIES_SIGNALS, len(inputs))
    inputs, target = (batch[some].to(gon.device) for batch in (inputs, target))
    inputs = gon.standardize(inputs, encoder=True)
    encoder.fit_components(inputs, gon.inner_step.best_curvature)
    if encoder is not field and not gon.outputs_logits:
        field.fit_latents(gon.standardize(target), gon.infer_latent(inputs).detach())
