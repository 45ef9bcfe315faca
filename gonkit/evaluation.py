"""How well a model reconstructs signals it has not seen, beside PCA with as many numbers."""

from __future__ import annotations

__all__ = ["Figures", "encode_all", "evaluate", "nearest", "pca_baseline"]

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.metrics import psnr
from gonkit.signal import Batch, Signal, SignalSet

AT_ONCE = 256  # signals decoded at a time
ENCODED_AT_ONCE = 4096
MEAN_OF = 10_000  # training signals that a mean is taken over
MOST_TRAINING = 60_000  # signals that PCA is fitted to


def encode_all(gon: GON, signals: SignalSet) -> Tensor:
    """Latents (N, K) of a whole set, on the CPU."""
    return torch.cat([gon.encode(batch.to(gon.scale.device)).cpu() for batch in signals.batches(ENCODED_AT_ONCE)])


class Figures:
    """Per-signal errors and metrics, gathered over batches.

    Args:
        signal: whose range and metrics they are.
    """

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.parts: dict[str, list[Tensor]] = {}

    def add(self, prediction: Tensor, batch: Batch) -> None:
        """More signals, prediction (B, P, C) in their own units."""
        for name, squares in (("mse", prediction - batch.values), ("power", batch.values)):
            squares = squares.square()
            if batch.mask is not None:
                squares = squares.where(batch.mask.unsqueeze(-1), 0.0)
            self.parts.setdefault(name, []).append((squares * batch.weights).sum(1).mean(1).cpu())
        if batch.mask is None and batch.shared:
            pair = [values.unflatten(1, self.signal.grid()) for values in (prediction, batch.values)]
            for name, metric in self.signal.metrics().items():
                self.parts.setdefault(name, []).append(metric(*pair).cpu())

    def summary(self) -> dict[str, float]:
        """Means, and the ratios of means."""
        low, high = self.signal.value_range
        per_signal = {name: torch.cat(parts).double() for name, parts in self.parts.items()}
        mse, power = per_signal["mse"], per_signal.pop("power")
        figures = {name: values.mean().item() for name, values in per_signal.items()}
        figures["snr"] = (10 * torch.log10(power.mean() / mse.mean())).item()
        figures["psnr"] = psnr(mse.mean(), high - low).item()
        figures["psnr_mean"] = psnr(mse.clamp_min(1e-12), high - low).mean().item()
        return figures


def evaluate(gon: GON, signal: Signal, signals: SignalSet) -> dict[str, float]:
    """Means over a set of signals, each encoded and decoded again.

    Returns:
        `mse`, `snr` (dB, of all signals' power to all error), `psnr` (dB, of the mean error over the
        type's range), `psnr_mean` (dB, mean of the signals' own PSNRs) and the signal type's own metrics.
    """
    gathered = Figures(signal)
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
    gathered = Figures(signal)
    for batch in test.batches(AT_ONCE):
        values = batch.values.cpu()
        projected = pca.inverse_transform(pca.transform(values.flatten(1).numpy()))
        gathered.add(torch.from_numpy(projected).float().view_as(values), batch.to("cpu"))
    return {f"pca_{name}": value for name, value in gathered.summary().items()}


def nearest(train: SignalSet, values: Tensor) -> list[tuple[str, float]]:
    """For each of some signals, values (S, P, C), the training signal most like it, and how like it is.

    Likeness is the correlation with the training mean removed: 1 for a copy, 0 for nothing in common.
    Empty where training signals do not lie on one grid.
    """
    example = train.first(1)
    if not example.shared or example.mask is not None or example.source is not None:
        return []
    mean = train.evenly(MEAN_OF).values.flatten(1).mean(0)

    def direction(values: Tensor) -> Tensor:
        return torch.nn.functional.normalize(values.flatten(1) - mean, dim=1)

    wanted = direction(values)
    best, index = torch.full((len(values),), -torch.inf), torch.zeros(len(values), dtype=torch.int64)
    for number, batch in enumerate(train.batches(ENCODED_AT_ONCE)):
        here = (wanted @ direction(batch.values).T).max(1)
        index = torch.where(here.values > best, here.indices + number * ENCODED_AT_ONCE, index)
        best = torch.maximum(best, here.values)
    return list(zip(train.names(index), best.tolist(), strict=True))
