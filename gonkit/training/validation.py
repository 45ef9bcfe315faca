"""What is measured and shown now and then during training: held-out metrics, and previews for TensorBoard."""

from __future__ import annotations

__all__ = ["batch_metrics", "log_previews", "validate"]

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.data import SignalDataset, evenly_spaced
from gonkit.evaluation import classify_dataset
from gonkit.inference import decode_objects, encode_signals, reconstruct_objects, reference_objects, slerp
from gonkit.metrics import ClassificationResult, batch_mse, psnr
from gonkit.nn import GON
from gonkit.plotting import draw_confusion_matrix, draw_latent_plane
from gonkit.priors import fit_gaussian, normality
from gonkit.recipe import Recipe
from gonkit.training.logger import RunLogger

NUM_SHOWN = 8  # signals in a row
PRIOR_LATENTS = 2048  # to which the prior of the sampled previews is fitted


@torch.no_grad()
def batch_metrics(gon: GON, recipe: Recipe, prediction: Prediction, target: Batch) -> dict[str, float]:
    """Metrics of a batch in network units: `psnr`, in dB over the type's range, and `accuracy`, where they exist."""
    metrics = {}
    if recipe.objective.requires("values"):
        low, high = recipe.signal.output_type.value_range
        in_units = Batch(target.coords, target.values * gon.value_scale + gon.value_mean, target.mask)
        mse = batch_mse(gon.to_signal_units(prediction.values), in_units)
        metrics["psnr"] = psnr(mse.nanmean(), high - low).item()
    if prediction.logits is not None and target.label is not None:
        metrics["accuracy"] = (prediction.logits.argmax(1) == target.label).float().mean().item()
    return metrics


@torch.no_grad()
def validate(gon: GON, recipe: Recipe, inputs: Batch, target: Batch, *, refine: int = 0) -> dict[str, float]:
    """Metrics of held-out signals in their own units, and of what the inner step gains.

    With refinement steps also the metrics at refined latents, as `validation/refined_psnr` and the like.
    """
    latent = gon.encode(inputs)
    at_origin, at_latent = (gon.inner_loss(z, inputs).mean().item() for z in (torch.zeros_like(latent), latent))
    metrics = _latent_metrics(gon, recipe, latent, target)
    if refine:
        refined = _latent_metrics(gon, recipe, gon.encode(inputs, refine=refine), target)
        metrics |= {f"refined_{name}": value for name, value in refined.items()}
    return {f"validation/{name}": value for name, value in metrics.items()} | {
        "validation/loss": at_latent,
        "latent/loss_at_origin": at_origin,
        "latent/loss_at_latent": at_latent,
        "latent/norm": latent.norm(dim=1).mean().item(),
        "latent/normality": normality(latent),
    }


def _latent_metrics(gon: GON, recipe: Recipe, latent: Tensor, target: Batch) -> dict[str, float]:
    """Metrics of latents (B, K), in the signals' own units."""
    values = latent.new_empty(len(latent), 0, gon.field.channels)
    if recipe.objective.requires("values"):
        values = gon.decode(latent, target.coords, target.source, network_units=True)
    logits = None if gon.classifier is None else gon.classifier(latent)
    return batch_metrics(gon, recipe, Prediction(values, latent, logits), gon.standardize(target))


@torch.no_grad()
def log_previews(
    gon: GON, recipe: Recipe, train: SignalDataset, val: SignalDataset, index: Tensor, step: int, logger: RunLogger
) -> None:
    """Logs reconstructions, samples and an interpolation, histograms of latents, and the classification.

    Args:
        gon: the network.
        recipe: of the run.
        train: signals to which the prior of the samples is fitted.
        val: signals that are shown.
        index: those of `val` that a validation uses.
        step: of training.
        logger: of the run.
    """
    task = recipe.signal
    logger.log_latent_histograms(step, encode_signals(gon, val, index))
    if (result := classify_dataset(gon, val)) is not None:
        _log_classification(gon, result, step, logger)
    if not recipe.objective.requires("values"):
        return
    shown = evenly_spaced(NUM_SHOWN, len(val))
    rows, titles = [reconstruct_objects(gon, task, val, shown)], ["reconstruction"]
    if references := reference_objects(task, val, shown):
        rows, titles = [references, *rows], ["original", *titles]
    logger.log_objects(step, "previews/reconstructions", rows, titles)
    if task.conditioning_channels:
        return
    prior = fit_gaussian(encode_signals(gon, train, evenly_spaced(PRIOR_LATENTS, len(train))))
    samples = [decode_objects(gon, task.output_type, part) for part in prior.sample(4 * NUM_SHOWN).split(NUM_SHOWN)]
    logger.log_objects(step, "previews/samples", samples)
    latent = encode_signals(gon, val, shown)
    if len(latent) > 1:
        path = slerp(latent[0], latent[1], torch.linspace(0, 1, NUM_SHOWN))
        logger.log_objects(step, "previews/interpolation", [decode_objects(gon, task.output_type, path)])


def _log_classification(gon: GON, result: ClassificationResult, step: int, logger: RunLogger) -> None:
    names = result.class_names
    logger.log_scalars(step, {f"classification/{name}": value for name, value in result.metrics().items()})
    matrix = draw_confusion_matrix(result.confusion_matrix(), names)
    logger.log_image(step, "classification/confusion_matrix", matrix)
    if result.latent.shape[1] == 2:
        plane = draw_latent_plane(
            result.latent, result.label, names, lambda latent: gon.classify(latent.to(gon.device)).argmax(1).cpu()
        )
        logger.log_image(step, "classification/latent_plane", plane)
