"""How well a model reconstructs signals it has not seen, beside PCA with as many numbers."""

from __future__ import annotations

__all__ = ["Figures", "encode_all", "evaluate", "evidence", "nearest", "pca_baseline"]

import math

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.labels import classified
from gonkit.losses import KL, Objective
from gonkit.metrics import psnr
from gonkit.recipe import Recipe
from gonkit.signal import Batch, Prediction, Signal, SignalSet

OBJECTS = 20  # signals whose reconstructions are compared as natural objects
AT_ONCE = 256  # signals decoded at a time
ENCODED_AT_ONCE = 4096
COMPARED = 4096  # points that signals without a common grid are compared at
MEAN_OF = 10_000  # training signals that a mean is taken over
MOST_TRAINING = 60_000  # signals that PCA is fitted to


def encode_all(gon: GON, signals: SignalSet) -> Tensor:
    """Latents (N, K) of a whole set, on the CPU."""
    parts = torch.arange(len(signals)).split(ENCODED_AT_ONCE)
    return torch.cat([gon.encode(signals.observed(part).to(gon.scale.device)).cpu() for part in parts])


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
            grid = self.signal.grid() if _on_grid(self.signal, batch) else (batch.values.shape[1],)
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


def _on_grid(signal: Signal, batch: Batch) -> bool:
    """Whether the points are the canonical ones; others can be shared too."""
    return batch.shared and batch.values.shape[1] == math.prod(signal.grid())


def evaluate(gon: GON, recipe: Recipe, signals: SignalSet) -> dict[str, float]:
    """Means over a set of signals, each encoded and decoded again, or converted from what is given of it.

    Returns:
        For a model that decodes: `mse`, `snr` (dB, of all signals' power to all error), `psnr` (dB, of the mean error
        over the type's range), `psnr_mean` (dB, mean of the signals' own PSNRs) and the signal type's own metrics. Of
        signals with a source these are predictions from the source alone, with the latent at the origin, and
        `informed_psnr` and the like are those from the source and the signal's own latent. Figures of the set's
        baselines begin with their names.
        For a model that classifies: `accuracy`, `nll` and `calibration`; see `gonkit.labels.Classified`.
        For a variational model: `kl` and, where it is defined, `elbo`, in nats; see `evidence`.
    """
    figures: dict[str, float] = {}
    objective = recipe.objective()
    if objective.reads("values"):
        figures |= _predicted(gon, recipe.signal, signals)
    if (seen := classified(gon, signals)) is not None:
        figures |= seen.figures()
    if gon.posterior is not None:
        figures |= evidence(gon, objective, signals)
    return figures


def _predicted(gon: GON, signal: Signal, signals: SignalSet) -> dict[str, float]:
    device = gon.scale.device
    gathered: dict[str, Figures] = {}

    def add(prefix: str, values: Tensor, batch: Batch) -> None:
        gathered.setdefault(prefix, Figures(signal)).add(values, batch)

    latents: list[Tensor] = []
    for index in torch.arange(len(signals)).split(AT_ONCE):
        latent = gon.encode(signals.observed(index).to(device))
        latents.append(latent)
        judged = signals.judged(index).to(device)
        values = gon.decode(latent, judged.coords, judged.source)
        if judged.source is not None:
            add("informed_", values, judged)
            values = gon.decode(torch.zeros_like(latent), judged.coords, judged.source)
        add("", values, judged)
        for name, simple in signals.baselines(index).items():
            add(f"{name}_", simple.to(device), judged)
    figures = {f"{prefix}{name}": value for prefix, f in gathered.items() for name, value in f.summary().items()}
    if signal.source_channels:
        return figures
    shown = signals.spread(OBJECTS)
    latent = torch.cat(latents)[shown]

    def decode(coords: Tensor, rows: slice) -> Tensor:
        return gon.decode(latent[rows], coords.to(device))

    return figures | signals.compare(shown, signal.made(decode, len(shown)))


@torch.no_grad()
def evidence(gon: GON, objective: Objective, signals: SignalSet) -> dict[str, float]:
    """Means over a set: `kl`, and the evidence lower bound `elbo`, in nats a signal, with one draw of each latent.

    With weights w of a pointwise loss and β of the divergence, w·L + β·KL is −ELBO · β for the likelihood whose
    −log is L·w/β up to a constant: for bce a Bernoulli one where β = w/P; for mse a normal one of variance
    σ² = β·P/2w, in network units, so that −log p = P·L/2σ² + ½·P·C·log 2πσ². Values are densities per network unit.
    `elbo` is absent for other losses.
    """
    generator = torch.Generator().manual_seed(0)
    outer, device = objective.outer, gon.scale.device
    beta = next(weight for weight, loss in outer.values() if isinstance(loss, KL))
    name = next((name for name in ("mse", "bce") if name in outer), None)
    parts: dict[str, list[Tensor]] = {"kl": [], "misfit": []}
    size = 0, 0
    for index in torch.arange(len(signals)).split(AT_ONCE):
        given, wanted = (part.to(device) for part in signals.pair(index))
        given, wanted = gon.standardized(given, observed=True), gon.standardized(wanted)
        noise = torch.randn(len(index), gon.field.latent_dim, generator=generator).to(device)
        step = gon.infer(given)
        mean, log_variance = gon.posterior(step) if gon.posterior is not None else (step, torch.zeros_like(step))
        latent = mean + noise * (0.5 * log_variance).exp()
        prediction = Prediction(
            gon.decode(latent, wanted.coords, wanted.source, raw=True), latent, posterior=(mean, log_variance)
        )
        parts["kl"].append(KL()(prediction, wanted))
        if name is not None:
            parts["misfit"].append(outer[name][1](prediction, wanted))
        size = wanted.values.shape[1], wanted.values.shape[2]
    kl = torch.cat(parts["kl"]).double().mean().item()
    if name is None:
        return {"kl": kl}
    misfit, weight = torch.cat(parts["misfit"]).double().mean().item(), outer[name][0]
    points, channels = size
    if name == "bce":
        return {"kl": kl, "elbo": -points * misfit - kl}
    variance = beta * points / (2 * weight)
    nll = points * misfit / (2 * variance) + 0.5 * points * channels * math.log(2 * math.pi * variance)
    return {"kl": kl, "elbo": -nll - kl}


def pca_baseline(signal: Signal, train: SignalSet, test: SignalSet, latents: int) -> dict[str, float]:
    """The figures of `evaluate` for principal component analysis with as many numbers per signal.

    Empty where signals do not lie on one grid, have points missing, or are converted from others.
    """
    from sklearn.decomposition import PCA

    data = train.evenly(MOST_TRAINING)
    if signal.observes is not signal or not _on_grid(signal, data) or data.mask is not None or data.source is not None:
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
def nearest(gon: GON, signal: Signal, train: SignalSet, known: Tensor, latent: Tensor) -> list[tuple[str, float]]:
    """For each of some latents, the training signal most like what it decodes to, and how like it is.

    Likeness is the correlation of values about the training mean: 1 for a copy, 0 for nothing in common. Training
    signals that do not lie on one grid are represented by their reconstructions.

    Args:
        gon: the network.
        signal: the type.
        train: training signals, without a source.
        known: their latents (N, K).
        latent: (S, K).
    """
    device = gon.scale.device
    example = train.first(1)
    exact = example.shared and example.mask is None
    coords = example.coords if exact else signal.coords()
    coords = coords if exact else coords[torch.arange(COMPARED) * len(coords) // COMPARED]
    coords = coords.to(device)

    def values(index: Tensor) -> Tensor:
        found = train.batch(index).values.to(device) if exact else gon.decode(known[index].to(device), coords)
        return found.flatten(1)

    mean = values(train.spread(MEAN_OF)).mean(0)
    wanted = torch.nn.functional.normalize(gon.decode(latent.to(device), coords).flatten(1) - mean, dim=1)
    best, found = torch.full((len(latent),), -torch.inf), torch.zeros(len(latent), dtype=torch.int64)
    for index in torch.arange(len(train)).split(ENCODED_AT_ONCE):
        like, place = (wanted @ torch.nn.functional.normalize(values(index) - mean, dim=1).T).cpu().max(1)
        found = torch.where(like > best, index[place], found)
        best = torch.maximum(best, like)
    return list(zip(train.names(found), best.tolist(), strict=True))
