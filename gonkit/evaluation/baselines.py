"""Principal component analysis with as many numbers per signal, as a baseline."""

from __future__ import annotations

__all__ = ["pca_baseline"]

import torch

from gonkit.data import SignalDataset, Task, evenly_spaced
from gonkit.metrics import MetricAccumulator

MAX_PCA_SIGNALS = 60_000  # to which PCA is fitted
EVAL_BATCH_SIZE = 256


def pca_baseline(task: Task, train: SignalDataset, test: SignalDataset, components: int) -> dict[str, float]:
    """Metrics of reconstructions by PCA, under the names of `evaluate` with `pca_` before them.

    Args:
        task: what is learned.
        train: signals that PCA is fitted to; up to 60,000 are used.
        test: signals that are reconstructed.
        components: numbers per signal.

    Returns:
        Empty where signals do not lie on one grid, have points missing, or are converted from others.
    """
    from sklearn.decomposition import PCA

    signal = task.output_type
    data = train.batch(evenly_spaced(MAX_PCA_SIGNALS, len(train)))
    if task.input_type is not signal or not signal.on_grid(data) or data.source is not None:
        return {}
    flat = data.values.flatten(1).cpu().numpy()
    pca = PCA(min(components, *flat.shape), random_state=0).fit(flat)
    low, high = signal.value_range
    metrics = MetricAccumulator(high - low, signal.measures.metrics(), signal.grid().shape)
    for index in torch.arange(len(test)).split(EVAL_BATCH_SIZE):
        batch = test.batch(index).to("cpu")
        reconstructed = pca.inverse_transform(pca.transform(batch.values.flatten(1).numpy()))
        metrics.update(torch.from_numpy(reconstructed).float().view_as(batch.values), batch)
    return {f"pca_{name}": value for name, value in metrics.compute().items()}
