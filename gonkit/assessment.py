"""Samples held against real signals: gonkit's own Fréchet distance, precision and recall, copies, diversity."""

from __future__ import annotations

__all__ = ["assess", "assess_sets", "judge_of", "refitted"]

from pathlib import Path

import torch
from torch import Tensor

from gonkit.evaluation import MEAN_OF, encode_all, nearest
from gonkit.exporting import export_latents
from gonkit.judge import Judge, load_judge, save_judge, shown, train_judge
from gonkit.judging import (
    coverage,
    diversity,
    frechet_distance,
    minimum_matching_distance,
    precision_recall,
    set_distances,
)
from gonkit.model import Model
from gonkit.priors import Prior, PriorKind, fit_prior
from gonkit.signal import Signal, SignalError, SignalSet

JUDGE_FILE = "judge.safetensors"
COPY_SHARE = 0.01  # of held-out signals that count as near copies: what says how like is too like
SETS = 40  # objects compared as sets of points
SET_POINTS = 1024

Findings = dict[str, float | str]


def assess(
    model: Model, train: SignalSet, test: SignalSet, judge: Judge | None, count: int = 2000, seed: int = 0
) -> Findings:
    """Figures of `count` samples beside those of real signals.

    Args:
        model: whose prior is judged.
        train: signals that samples might be copies of.
        test: real signals that neither the network nor the judge has seen.
        judge: trained on `train`; None leaves out what is measured in its features.
        count: samples, and real signals that they are held against: no more than there are of those.
        seed: of the samples.

    Returns:
        `samples`: how many. `log_likelihood`: mean of the prior's at test signals' latents, in nats. In the judge's
        features: `gonkit_frechet`, the distance of samples from test signals, with `_floor` that of training signals,
        `_reconstructions` that of test signals encoded and decoded, `_ceiling` that of the mean training signal again
        and again; `precision` and `recall`, with `_floor` those of training signals; `diversity`, mean distance
        between two samples over that between two test signals; `judge`, its hash, and `judge_accuracy` on the test
        signals. Of values: `nearest_mean`, likeness to the nearest training signal; `near_copies`, the share of samples
        more like a training signal than all but 1 % of reconstructed test signals are. Of objects compared as sets of
        points: `mmd` and `coverage`, with `_floor` those of training objects.

    Raises:
        SignalError: a model that draws no signals.
    """
    if model.signal.source_channels or model.signal.observes is not model.signal:
        raise SignalError("this model converts one type of signal to another; its samples are not judged alone")
    if not model.recipe.objective().reads("values"):
        raise SignalError("this model only classifies: it draws no samples")
    count = min(count, len(test), len(train))
    drawn = model.prior.sample(count, seed=seed)
    held_out = model.encode(test.batch(test.spread(count)))
    figures: Findings = {"samples": float(count), "log_likelihood": model.prior.log_prob(held_out).mean().item()}
    if judge is not None:
        figures |= _in_features(model, train, test, judge, drawn, held_out)
    known = encode_all(model.gon, train)
    found, usual = (_likeness(model, train, known, latent) for latent in (drawn, held_out))
    figures["nearest_mean"], figures["test_nearest_mean"] = found.mean().item(), usual.mean().item()
    figures["near_copies"] = (found > usual.quantile(1 - COPY_SHARE)).float().mean().item()
    return figures | assess_sets(model, train, test, drawn[:SETS])


def judge_of(model: Model, train: SignalSet, path: Path | None, run: Path) -> Judge | None:
    """The judge at a path, or the run folder's own, trained and kept there where there is none.

    None where the training signals have no labels to learn, or no grid.

    Raises:
        SignalError: a file that is no judge's.
    """
    own = run / JUDGE_FILE if run.is_dir() else run.with_name(JUDGE_FILE)
    if path is not None or own.exists():
        return load_judge(path or own)
    if shown(model.signal, train) is None:
        return None
    judge = train_judge(model.signal, train)
    save_judge(judge, own)
    return judge


def refitted(model: Model, kind: PriorKind, per_class: bool = False) -> Prior:
    """Another prior for the same network, fitted to its training latents."""
    tables = export_latents(model, ("train", "val"))
    train, val = tables["train"], tables["val"]
    if per_class and (train.label is None or val.label is None):
        raise SignalError("--per-class: the training signals have no labels")
    label, held_out_label = (train.label, val.label) if per_class else (None, None)
    seed = model.recipe.train.seed
    return fit_prior(kind, train.latent, val.latent, seed=seed, label=label, held_out_label=held_out_label)


def _in_features(
    model: Model, train: SignalSet, test: SignalSet, judge: Judge, drawn: Tensor, held_out: Tensor
) -> Findings:
    signal, count = model.signal, len(drawn)
    seen = shown(signal, test)
    if seen is None:
        return {}
    right = judge.classify(judge.features(seen.values)).argmax(1) == seen.label
    real = judge.features(_natural(signal, test.evenly(count).values))
    training = train.evenly(max(count, MEAN_OF)).values
    other = judge.features(_natural(signal, training[torch.arange(count) * len(training) // count]))
    made, again = (judge.features(_natural(signal, model.values(latent))) for latent in (drawn, held_out))
    mean = judge.features(_natural(signal, training.mean(0, keepdim=True))).expand(count, -1)
    precision, recall = precision_recall(real, made)
    floor_precision, floor_recall = precision_recall(real, other)
    return {
        "gonkit_frechet": frechet_distance(made, real),
        "gonkit_frechet_floor": frechet_distance(other, real),
        "gonkit_frechet_reconstructions": frechet_distance(again, real),
        "gonkit_frechet_ceiling": frechet_distance(mean, real),
        "precision": precision,
        "recall": recall,
        "precision_floor": floor_precision,
        "recall_floor": floor_recall,
        "diversity": diversity(made) / max(diversity(real), 1e-12),
        "judge": judge.hash(),
        "judge_accuracy": right.float().mean().item(),
    }


def assess_sets(model: Model, train: SignalSet, test: SignalSet, drawn: Tensor) -> Findings:
    """`mmd` and `coverage` of decoded latents (B, K); empty for types whose objects are not compared as sets."""
    signal, count = model.signal, min(len(drawn), len(test), len(train))
    real, other = (_sets(signal, part.originals(part.spread(count), signal)) for part in (test, train))
    if real is None or other is None:
        return {}
    made = _sets(signal, model.decode(drawn[:count]))
    figures: Findings = {}
    for name, sets in (("", made), ("_floor", other)):
        if sets is not None:
            distances = set_distances(sets, real)
            figures[f"mmd{name}"] = minimum_matching_distance(distances)
            figures[f"coverage{name}"] = coverage(distances)
    return figures


def _sets(signal: Signal, things: list[object]) -> Tensor | None:
    parts = [signal.point_set(thing, SET_POINTS) for thing in things]
    present = [part for part in parts if part is not None]
    return torch.stack(present) if present else None


def _likeness(model: Model, train: SignalSet, known: Tensor, latent: Tensor) -> Tensor:
    return torch.tensor([like for _, like in nearest(model.gon, model.signal, train, known, latent)])


def _natural(signal: Signal, values: Tensor) -> Tensor:
    """Values (B, P, C) as a judge sees them: within the range that the type states, on its grid."""
    low, high = signal.value_range
    return signal.features(values.cpu().clamp(low, high).unflatten(1, signal.grid()))
