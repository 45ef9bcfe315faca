"""What training looks at now and then: held-out figures, and pictures for TensorBoard."""

from __future__ import annotations

__all__ = ["show_progress", "success", "validate"]

from typing import Any

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.labels import classified, draw_confusion, draw_plane
from gonkit.latents import slerp
from gonkit.metrics import psnr
from gonkit.normality import normality
from gonkit.priors import fit_normal
from gonkit.recipe import Recipe
from gonkit.signal import Batch, Prediction, SignalSet
from gonkit.tracking import Tracker

SHOWN = 8  # signals on a contact sheet's row
PRIOR_LATENTS = 2048  # that the running prior of the sample pictures is fitted to


@torch.no_grad()
def success(gon: GON, recipe: Recipe, prediction: Prediction, target: Batch) -> dict[str, float]:
    """Of a batch in network units: `psnr`, in dB over the type's range, and `accuracy`, what there is of them."""
    figures = {}
    if recipe.objective().reads("values"):
        error = (gon.natural(prediction.values) - target.values * gon.scale).square()
        if target.mask is not None:
            error = error.where(target.mask.unsqueeze(-1), 0.0)
        low, high = recipe.signal.value_range
        figures["psnr"] = psnr((error * target.weights).sum(1).mean(), high - low).item()
    if prediction.logits is not None and target.label is not None:
        figures["accuracy"] = (prediction.logits.argmax(1) == target.label).float().mean().item()
    return figures


@torch.no_grad()
def validate(gon: GON, recipe: Recipe, given: Batch, wanted: Batch) -> dict[str, float]:
    """Figures of held-out signals in their own units, and of how much the origin's step helps them."""
    latent = gon.encode(given)
    at_origin, at_latent = (gon.misfit(z, given).mean().item() for z in (torch.zeros_like(latent), latent))
    values = latent.new_empty(len(latent), 0, gon.field.channels)
    if recipe.objective().reads("values"):
        values = gon.decode(latent, wanted.coords, wanted.source, raw=True)
    logits = None if gon.head is None else gon.head(latent)
    seen = success(gon, recipe, Prediction(values, latent, logits), gon.standardized(wanted))
    return {f"validation/{name}": value for name, value in seen.items()} | {
        "validation/loss": at_latent,
        "latent/loss_at_origin": at_origin,
        "latent/loss_at_latent": at_latent,
        "latent/length": latent.norm(dim=1).mean().item(),
        "latent/normality": normality(latent),
    }


@torch.no_grad()
def show_progress(
    gon: GON, recipe: Recipe, train: SignalSet, val: SignalSet, watched: Tensor, step: int, tracker: Tracker
) -> None:
    """Reconstructions, samples and an interpolation in TensorBoard, histograms of the latents, and labels taken."""
    device, signal = gon.scale.device, recipe.signal
    tracker.histograms(step, gon.encode(val.observed(watched).to(device)))
    _show_labels(gon, val, step, tracker)
    if not recipe.objective().reads("values"):
        return
    index = val.spread(SHOWN)
    given, wanted = (part.to(device) for part in val.pair(index))
    latent = gon.encode(given)

    def decoded(latent: Tensor, source: Tensor | None = None) -> list[Any]:
        def values(coords: Tensor, rows: slice) -> Tensor:
            return gon.decode(latent[rows], coords.to(device), None if source is None else source[rows])

        return signal.made(values, len(latent))

    rows, titles = [decoded(latent, wanted.source)], ["reconstruction"]
    if originals := val.originals(index, signal):
        rows, titles = [originals, *rows], ["original", *titles]
    tracker.objects(step, "pictures/reconstructions", rows, titles)
    if signal.source_channels:
        return
    prior = fit_normal(gon.encode(train.observed(train.spread(PRIOR_LATENTS)).to(device)))
    drawn = prior.sample(4 * SHOWN).to(device)
    tracker.objects(step, "pictures/samples", [decoded(part) for part in drawn.split(SHOWN)])
    if len(latent) > 1:
        path = slerp(latent[0], latent[1], torch.linspace(0, 1, SHOWN, device=device))
        tracker.objects(step, "pictures/interpolation", [decoded(path)])


def _show_labels(gon: GON, val: SignalSet, step: int, tracker: Tracker) -> None:
    """What a model that classifies takes the validation signals for."""
    seen = classified(gon, val)
    if seen is None or gon.head is None:
        return
    tracker.figures(step, {f"labels/{name}": value for name, value in seen.figures().items()})
    tracker.picture(step, "labels/confusion", draw_confusion(seen.confusion(), seen.classes))
    if seen.latent.shape[1] == 2:
        tracker.picture(step, "labels/plane", draw_plane(seen, gon.head))
