"""How well a model reconstructs signals it has not seen, beside PCA with as many numbers."""

from __future__ import annotations

__all__ = ["Figures", "encode_all", "evaluate", "nearest", "pca_baseline"]

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.metrics import psnr
from gonkit.signal import Batch, Signal, SignalSet

OBJECTS = 20  # signals whose reconstructions are compared as natural objects
AT_ONCE = 256  # signals decoded at a time
ENCODED_AT_ONCE = 4096
COMPARED = 4096  # points that signals without a common grid are compared at
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
        if batch.mask is None:
            grid = self.signal.grid() if batch.shared else (batch.values.shape[1],)
            pair = [values.unflatten(1, grid) for values in (prediction, batch.values)]
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
    for index in torch.arange(len(signals)).split(AT_ONCE):
        latent = gon.encode(signals.batch(index).to(device))
        judged = signals.judged(index).to(device)
        gathered.add(gon.decode(latent, judged.coords, judged.source), judged)
    shown = signals.spread(OBJECTS)
    latent = gon.encode(signals.batch(shown).to(device))

    def decode(coords: Tensor, rows: slice) -> Tensor:
        return gon.decode(latent[rows], coords.to(device))

    return gathered.summary() | signals.compare(shown, signal.made(decode, len(shown)))


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


@torch.no_grad()
def nearest(gon: GON, signal: Signal, train: SignalSet, latent: Tensor) -> list[tuple[str, float]]:
    """For each of some latents (S, K), the training signal most like what it decodes to, and how like it is.

    Likeness is the correlation of values about the training mean: 1 for a copy, 0 for nothing in common. Training
    signals that do not lie on one grid are represented by their reconstructions. Empty for signals with a source.
    """
    example = train.first(1)
    if example.source is not None:
        return []
    device = gon.scale.device
    exact = example.shared and example.mask is None
    coords = example.coords if exact else signal.coords()
    coords = coords if exact else coords[torch.arange(COMPARED) * len(coords) // COMPARED]
    coords = coords.to(device)

    def known(index: Tensor) -> Tensor:
        batch = train.batch(index).to(device)
        return (batch.values if exact else gon.decode(gon.encode(batch), coords)).flatten(1)

    mean = known(train.spread(MEAN_OF)).mean(0)
    wanted = torch.nn.functional.normalize(gon.decode(latent.to(device), coords).flatten(1) - mean, dim=1)
    best, found = torch.full((len(latent),), -torch.inf), torch.zeros(len(latent), dtype=torch.int64)
    for index in torch.arange(len(train)).split(ENCODED_AT_ONCE):
        like, place = (wanted @ torch.nn.functional.normalize(known(index) - mean, dim=1).T).cpu().max(1)
        found = torch.where(like > best, index[place], found)
        best = torch.maximum(best, like)
    return list(zip(train.names(found), best.tolist(), strict=True))
