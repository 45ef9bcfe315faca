"""What training looks at now and then: held-out figures, and pictures for TensorBoard."""

from __future__ import annotations

__all__ = ["batch_psnr", "show_progress", "validate"]

from typing import Any

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.latents import slerp
from gonkit.metrics import psnr
from gonkit.priors import fit_normal
from gonkit.signal import Batch, Prediction, Signal, SignalSet
from gonkit.tracking import Tracker

SHOWN = 8  # signals on a contact sheet's row
PRIOR_LATENTS = 2048  # that the running prior of the sample pictures is fitted to


def batch_psnr(gon: GON, signal: Signal, prediction: Prediction, target: Batch) -> float:
    """Of a batch in network units, in dB over the signal type's range."""
    with torch.no_grad():
        natural = target.values * gon.scale
        error = (gon.natural(prediction.values) - natural).square()
        if target.mask is not None:
            error = error.where(target.mask.unsqueeze(-1), 0.0)
        low, high = signal.value_range
        return psnr((error * target.weights).sum(1).mean(), high - low).item()


@torch.no_grad()
def validate(gon: GON, signal: Signal, watched: Batch) -> dict[str, float]:
    """Figures of held-out signals, and of how much the origin's step helps them."""
    batch = gon.standardised(watched)
    latent = gon.encode(watched)
    losses = []
    for z in (torch.zeros_like(latent), latent):
        values = gon.decode(z, batch.coords, batch.source, raw=True)
        losses.append(gon.inner(Prediction(values, z), batch).mean().item())
    figures = {"validation/psnr": batch_psnr(gon, signal, Prediction(values, latent), batch)}
    figures["validation/loss"] = losses[1]
    figures["latent/loss_at_origin"] = losses[0]
    figures["latent/loss_at_latent"] = losses[1]
    figures["latent/length"] = latent.norm(dim=1).mean().item()
    return figures


@torch.no_grad()
def show_progress(
    gon: GON, signal: Signal, train: SignalSet, val: SignalSet, watched: Batch, step: int, tracker: Tracker
) -> None:
    """Reconstructions, samples and an interpolation in TensorBoard, and histograms of the latents."""
    device = gon.scale.device
    index = val.spread(SHOWN)
    shown = val.batch(index).to(device)
    latent = gon.encode(shown)
    tracker.histograms(step, gon.encode(watched))

    def decoded(latent: Tensor, source: Tensor | None = None) -> list[Any]:
        def values(coords: Tensor, rows: slice) -> Tensor:
            return gon.decode(latent[rows], coords.to(device), None if source is None else source[rows])

        return signal.made(values, len(latent))

    rows, titles = [decoded(latent, shown.source)], ["reconstruction"]
    if originals := val.originals(index, signal):
        rows, titles = [originals, *rows], ["original", *titles]
    tracker.objects(step, "pictures/reconstructions", rows, titles)
    if signal.source_channels:
        return
    prior = fit_normal(gon.encode(train.evenly(PRIOR_LATENTS).to(device)))
    drawn = prior.sample(4 * SHOWN).to(device)
    tracker.objects(step, "pictures/samples", [decoded(part) for part in drawn.split(SHOWN)])
    if len(latent) > 1:
        path = slerp(latent[0], latent[1], torch.linspace(0, 1, SHOWN, device=device))
        tracker.objects(step, "pictures/interpolation", [decoded(path)])
