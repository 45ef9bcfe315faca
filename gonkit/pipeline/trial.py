"""A look at a signal type before it is trained: its data, and whether a small network learns a few of its signals."""

from __future__ import annotations

__all__ = ["Trial", "describe_values", "try_task"]

import math
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import SignalDataset, SubsetDataset, evenly_spaced
from gonkit.evaluation import evaluate
from gonkit.metrics import batch_mse, psnr
from gonkit.recipe import Recipe
from gonkit.training import TrainProgress, fit

NUM_SIGNALS = 8  # that are learned by heart
MAX_POINTS = 2048  # of each, drawn at every step
MAX_STATISTICS_SIGNALS = 128


class Trial(NamedTuple):
    """What a network reached on the few signals that it was trained on.

    Attributes:
        signals: how many.
        steps: updates made.
        seconds: in which.
        rmse: root of the mean squared error, in the type's unit.
        psnr: of that error over the type's value range, in dB.
        mean_rmse: the same if each channel's mean is predicted everywhere.
        mean_psnr: the same, in dB.
    """

    signals: int
    steps: int
    seconds: float
    rmse: float
    psnr: float
    mean_rmse: float
    mean_psnr: float

    @property
    def verdict(self) -> str:
        """Whether the signals can be learned, and what to change if not."""
        explained = 1 - (self.rmse / self.mean_rmse) ** 2 if self.mean_rmse else 1.0
        if explained >= 0.9:
            return f"good: {explained:.1%} of the variance is learned"
        advice = (
            "check that coords and values are in the same order, or try more --steps or another field.omega (about the "
            "highest frequency, in radians per unit of coordinate)"
        )
        return f"{'slow' if explained >= 0.3 else 'not learned'}: {explained:.1%} of the variance is learned; {advice}"


def try_task(recipe: Recipe, train: SignalDataset, steps: int, seconds: float) -> Trial:
    """Trains a recipe's network on eight of its training signals, in a folder that is thrown away.

    Args:
        recipe: what to learn; settings that take long are replaced.
        train: its training signals.
        steps: at most.
        seconds: at most, beside the last steps.
    """
    index = evenly_spaced(NUM_SIGNALS, len(train))
    few = SubsetDataset(train, index)
    inputs, target = (few.pair(torch.arange(len(few)))[part] for part in (0, 1))
    recipe = _quick(recipe, inputs, target, steps)
    started = time.perf_counter()

    def out_of_time(progress: TrainProgress) -> bool:
        return time.perf_counter() - started > seconds

    with tempfile.TemporaryDirectory() as folder:
        trained = fit(recipe, few, few, Path(folder), quiet=True, callbacks=[out_of_time])
    trained.gon.refine = 0
    taken = time.perf_counter() - started
    mse = torch.tensor(evaluate(trained.gon, recipe, few)["mse"])
    target = few.pair(torch.arange(len(few)), evaluate=True).target.to("cpu")
    mean, _ = _channel_statistics(target)
    mean_mse = batch_mse(mean.float().expand_as(target.values), target).mean()
    low, high = recipe.signal.output_type.value_range
    errors = [value for m in (mse, mean_mse) for value in (m.sqrt().item(), psnr(m, high - low).item())]
    return Trial(len(few), trained.steps, taken, *errors)


def describe_values(train: SignalDataset, value_range: tuple[float, float]) -> list[str]:
    """A line for each channel of the training values: range, mean and deviation, of up to 128 signals.

    Args:
        train: the training signals.
        value_range: of the signal type.
    """
    batch = train.batch(evenly_spaced(MAX_STATISTICS_SIGNALS, len(train)))
    mean, std = _channel_statistics(batch)
    low, high = (batch.filled(fill).flatten(0, 1) for fill in (math.inf, -math.inf))
    lines = []
    for channel in range(batch.values.shape[2]):
        lowest, highest = low[:, channel].min().item(), high[:, channel].max().item()
        outside = lowest < value_range[0] or highest > value_range[1]
        note = f"; beyond value_range, {value_range[0]:g} to {value_range[1]:g}" if outside else ""
        lines.append(
            f"channel {channel}: {lowest:.5g} to {highest:.5g}, mean {mean[channel]:.5g}, deviation "
            f"{std[channel]:.5g} ({len(batch)} signals){note}"
        )
    return lines


def _channel_statistics(batch: Batch) -> tuple[Tensor, Tensor]:
    """(C,) mean and (C,) deviation of what was observed, in float64."""
    values = batch.filled(math.nan).double().flatten(0, 1)
    mean = values.nanmean(0)
    return mean, (values - mean).square().nanmean(0).sqrt()


def _quick(recipe: Recipe, inputs: Batch, target: Batch, steps: int) -> Recipe:
    """The recipe for a few signals and steps, eagerly and in this process."""
    points, latent_points = (
        MAX_POINTS if size > MAX_POINTS else None for size in (target.values.shape[1], inputs.values.shape[1])
    )
    warmup, here = min(recipe.train.warmup, steps // 4), {"device": "cpu", "workers": 0, "compile": False}
    quick = {
        "precision": "fp32",
        "max_points": 0,
        "polish": 0.0,
        "keep": "last",
        "validate_every": steps,
        "log_every": 1,
    }
    recipe = recipe.with_train(steps=steps, warmup=warmup, batch=len(target), points=points, **here, **quick)
    return recipe.model_copy(update={"latent": recipe.latent.model_copy(update={"points": latent_points})})
