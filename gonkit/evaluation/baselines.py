"""Principal component analysis with as many numbers per signal, as a baseline."""

from __future__ import annotations

__all__ = ["pca_baseline"]

from typing import Any

import numpy
import torch

from gonkit.batch import Batch
from gonkit.data import SignalDataset, Task, evenly_spaced
from gonkit.metrics import MetricAccumulator

MAX_PCA_SIGNALS = 60_000  # to which PCA is fitted
EVAL_BATCH_SIZE = 256
MAX_FILLED_SIGNALS = 2_000  # the same, where each has values missing
FILLING_ROUNDS = 10  # of fitting components and filling in unobserved values by them

Array = numpy.ndarray[Any, Any]


def pca_baseline(task: Task, train: SignalDataset, test: SignalDataset, components: int) -> dict[str, float]:
    """Metrics of reconstructions by PCA, under the names of `evaluate` with `pca_` before them.

    Where values were not observed, components are fitted to those that were, and to what earlier components say of the
    others; and a signal's coefficients are their posterior mean given what was observed of it. Tipping & Bishop,
    Probabilistic Principal Component Analysis (1999), section 3.

    Args:
        task: what is learned.
        train: signals that PCA is fitted to; up to 60,000 are used, or 2,000 with values missing.
        test: signals that are reconstructed.
        components: numbers per signal.

    Returns:
        Empty where signals do not lie on one grid, or are converted from others.
    """
    from sklearn.decomposition import PCA

    signal = task.output_type
    data = train.batch(evenly_spaced(MAX_PCA_SIGNALS, len(train))).to("cpu")
    if task.input_type is not signal or not signal.on_grid(data) or data.source is not None:
        return {}
    flat, observed = _flatten(data if data.mask is None else data[evenly_spaced(MAX_FILLED_SIGNALS, len(data))])
    pca = PCA(min(components, *flat.shape), random_state=0)
    if observed.all():
        pca.fit(flat)
    else:
        counts = observed.sum(0).clip(1)
        filled = numpy.where(observed, flat, flat.sum(0) / counts)
        for _ in range(FILLING_ROUNDS):
            pca.fit(filled)
            filled = numpy.where(observed, flat, _reconstruct(pca, flat, observed))
    low, high = signal.value_range
    metrics = MetricAccumulator(high - low, signal.measures.metrics(), signal.grid().shape)
    for index in torch.arange(len(test)).split(EVAL_BATCH_SIZE):
        batch = test.batch(index).to("cpu")
        reconstructed = torch.from_numpy(_reconstruct(pca, *_flatten(batch)))
        metrics.update(reconstructed.float().view_as(batch.values), batch)
    return {f"pca_{name}": value for name, value in metrics.compute().items()}


def _flatten(batch: Batch) -> tuple[Array, Array]:
    """Values (B, P·C), 0 where nothing was observed, and what was observed, of the same shape."""
    return batch.observed_values.flatten(1).numpy(), batch.is_observed.flatten(1).numpy()


def _reconstruct(pca: Any, values: Array, observed: Array) -> Array:
    """Signals (B, P·C) from their observed values, by a fitted PCA."""
    if observed.all():
        result: Array = pca.inverse_transform(pca.transform(values))
        return result
    axes = pca.components_  # (K, P·C)
    precision = pca.noise_variance_ / numpy.maximum(pca.explained_variance_, 1e-12 * pca.explained_variance_[0])
    centered = numpy.where(observed, values - pca.mean_, 0.0)
    groups: dict[bytes, list[int]] = {}  # rows of which the same values are known
    for number, row in enumerate(observed):
        groups.setdefault(row.tobytes(), []).append(number)
    reconstructed = numpy.empty_like(centered)
    for rows in groups.values():
        known = observed[rows[0]]
        part = axes[:, known]
        latent = numpy.linalg.solve(part @ part.T + numpy.diag(precision + 1e-9), part @ centered[rows][:, known].T)
        reconstructed[rows] = latent.T @ axes + pca.mean_
    return reconstructed
