"""How well a model reconstructs signals it has not seen, beside PCA with as many numbers."""

from __future__ import annotations

__all__ = ["encode_all", "evaluate", "pca_baseline"]

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.metrics import psnr
from gonkit.signal import Batch, Signal, SignalSet

AT_ONCE = 256  # signals decoded at a time
ENCODED_AT_ONCE = 4096
MOST_TRAINING = 60_000  # signals that PCA is fitted to


def encode_all(gon: GON, signals: SignalSet) -> Tensor:
    """Latents (N, K) of a whole set, on the CPU."""
    return torch.cat([gon.encode(batch.to(gon.scale.device)).cpu() for batch in signals.batches(ENCODED_AT_ONCE)])


class _Figures:
    """Per-signal errors and metrics, gathered over batches."""

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.parts: dict[str, list[Tensor]] = {}

    def add(self, prediction: Tensor, batch: Batch) -> None:
        error = (prediction - batch.values).square()
        if batch.mask is not None:
            error = error.where(batch.mask.unsqueeze(-1), 0.0)
        self.parts.setdefault("mse", []).append((error * batch.weights).sum(1).mean(1).cpu())
        if batch.mask is None and batch.shared:
            for name, metric in self.signal.metrics().items():
                self.parts.setdefault(name, []).append(metric(prediction, batch.values).cpu())

    def summary(self) -> dict[str, float]:
        low, high = self.signal.value_range
        per_signal = {name: torch.cat(parts).double() for name, parts in self.parts.items()}
        mse = per_signal["mse"]
        figures = {name: values.mean().item() for name, values in per_signal.items()}
        figures["psnr"] = psnr(mse.mean(), high - low).item()
        figures["psnr_mean"] = psnr(mse.clamp_min(1e-12), high - low).mean().item()
        return figures


def evaluate(gon: GON, signal: Signal, signals: SignalSet) -> dict[str, float]:
    """Means over a set of signals, each encoded and decoded again.

    Returns:
        `mse`, `psnr` (dB, of the mean error over the type's range), `psnr_mean` (dB, mean of the
        signals' own PSNRs) and the signal type's own metrics.
    """
    gathered = _Figures(signal)
    device = gon.scale.device
    for batch in signals.batches(AT_ONCE):
        batch = batch.to(device)
        gathered.add(gon.decode(gon.encode(batch), batch.coords, batch.source), batch)
    return gathered.summary()


def pca_baseline(signal: Signal, train: SignalSet, test: SignalSet, latents: int) -> dict[str, float]:
    """The figures of `evaluate` for principal component analysis with as many numbers per signal.

    Empty where signals do not lie on one grid, or have points missing.
    """
    from sklearn.decomposition import PCA

    data = train.evenly(MOST_TRAINING)
    if not data.shared or data.mask is not None or data.source is not None:
        return {}
    flat = data.values.flatten(1).cpu().numpy()
    pca = PCA(min(latents, *flat.shape), random_state=0).fit(flat)
    gathered = _Figures(signal)
    for batch in test.batches(AT_ONCE):
        values = batch.values.cpu()
        projected = pca.inverse_transform(pca.transform(values.flatten(1).numpy()))
        gathered.add(torch.from_numpy(projected).float().view_as(values), batch.to("cpu"))
    return {f"pca_{name}": value for name, value in gathered.summary().items()}
