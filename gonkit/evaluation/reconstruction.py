"""How well a model predicts signals that it has not seen."""

from __future__ import annotations

__all__ = ["evaluate"]

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import SignalDataset, Task, evenly_spaced
from gonkit.evaluation.elbo import evaluate_elbo
from gonkit.evaluation.labels import classify_dataset
from gonkit.inference import decode_objects, encode_dataset
from gonkit.metrics import MetricAccumulator
from gonkit.nn import GON
from gonkit.recipe import Recipe

MAX_OBJECTS = 20  # reconstructions that are compared as objects
EVAL_BATCH_SIZE = 256


def evaluate(gon: GON, recipe: Recipe, dataset: SignalDataset, latent: Tensor | None = None) -> dict[str, float]:
    """Means over a data set whose signals are encoded and decoded again, or converted from their inputs.

    Args:
        gon: the network.
        recipe: by which it was trained.
        dataset: held-out signals.
        latent: (N, K) of them, if they are known already.

    Returns:
        For a model that decodes: `mse`, `snr` (dB, all signals' power over all error), `psnr` (dB, of the mean error
        over the type's range), `psnr_mean` (dB, mean of the signals' own PSNRs) and the signal type's own metrics. With
        conditioning these are predictions from the source alone, with the latent at the origin, and `informed_psnr` and
        the like are those from the source and the signal's own latent. Metrics of the data set's baselines begin with
        the baselines' names. Where latents are refined, `unrefined_psnr` and the like are those without.
        For a model that classifies: `accuracy`, `nll` and `calibration`; see `gonkit.metrics.ClassificationResult`.
        For a variational model: `kl` and, where it is defined, `elbo`, in nats; see `evaluate_elbo`.
    """
    latent = encode_dataset(gon, dataset) if latent is None else latent
    metrics: dict[str, float] = {}
    if recipe.objective.requires("values"):
        metrics |= _reconstruction_metrics(gon, recipe.signal, dataset, latent)
        if not recipe.signal.conditioning_channels:
            metrics |= _object_metrics(gon, recipe.signal, dataset, latent)
        if gon.refine:
            unrefined = encode_dataset(gon, dataset, refine=0)
            plain = _reconstruction_metrics(gon, recipe.signal, dataset, unrefined, compare=False)
            metrics |= {f"unrefined_{name}": plain[name] for name in ("snr", "psnr", "psnr_mean")}
    if (result := classify_dataset(gon, dataset, latent)) is not None:
        metrics |= result.metrics()
    if gon.posterior is not None:
        metrics |= evaluate_elbo(gon, recipe.objective, dataset)
    return metrics


def _reconstruction_metrics(
    gon: GON, task: Task, dataset: SignalDataset, latents: Tensor, *, compare: bool = True
) -> dict[str, float]:
    """Metrics of values; `compare` adds the signal type's own and those of the data set's baselines."""
    signal, device = task.output_type, gon.device
    own = signal.measures.metrics() if compare else {}
    low, high = signal.value_range
    grid_shape = signal.grid().shape
    accumulators: dict[str, MetricAccumulator] = {}

    def update(prefix: str, values: Tensor, target: Batch) -> None:
        if prefix not in accumulators:
            accumulators[prefix] = MetricAccumulator(high - low, own, grid_shape)
        accumulators[prefix].update(values, target)

    for index in torch.arange(len(dataset)).split(EVAL_BATCH_SIZE):
        latent = latents[index].to(device)
        target = dataset.pair(index, evaluate=True).target.to(device)
        values = gon.decode(latent, target.coords, target.source)
        if target.source is not None:
            update("informed_", values, target)
            values = gon.decode(torch.zeros_like(latent), target.coords, target.source)
        update("", values, target)
        for name, baseline in (dataset.baselines(index) if compare else {}).items():
            update(f"{name}_", baseline.to(device), target)
    return {f"{prefix}{name}": v for prefix, each in accumulators.items() for name, v in each.compute().items()}


def _object_metrics(gon: GON, task: Task, dataset: SignalDataset, latents: Tensor) -> dict[str, float]:
    """Metrics of reconstructed objects, where the data set has objects of its own to compare them with."""
    index = evenly_spaced(MAX_OBJECTS, len(dataset))
    references = dataset.references(index)
    if references is None:
        return {}
    objects = decode_objects(gon, task.output_type, latents[index])
    return task.output_type.measures.object_metrics(objects, references)
