"""Partial observation: how well points are predicted that were not observed."""

from __future__ import annotations

__all__ = ["partial_observation_curve"]

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gonkit.data import SignalDataset, Task, evenly_spaced, random_mask
from gonkit.errors import GonkitError
from gonkit.metrics import psnr
from gonkit.nn import GON

MAX_SIGNALS = 500  # over which the curve is taken, for the time it takes


@torch.no_grad()
def partial_observation_curve(
    gon: GON, task: Task, dataset: SignalDataset, shares: Sequence[float], seed: int = 0
) -> list[dict[str, float]]:
    """How well whole signals are predicted from a share of their points.

    Args:
        gon: the network.
        task: a signal type, whose range gives PSNR its peak.
        dataset: held-out signals; up to 500 are used, evenly spaced.
        shares: of points observed, each above 0 and at most 1.
        seed: of the random points.

    Returns:
        For each share: `observed`; `psnr` in dB of the mean error over all points; `hidden`, over the points that were
        not observed (absent if all were); `zeros`, the same with unobserved points given as zero instead of masked.

    Raises:
        GonkitError: a model that converts signals, or that was trained to classify only.
    """
    if task.input_type is not task.output_type:
        raise GonkitError("a curve over shares of observed points is for signals that are encoded from themselves")
    batch = dataset.batch(evenly_spaced(MAX_SIGNALS, len(dataset))).to(gon.device)
    exists = batch.is_observed
    low, high = task.output_type.value_range

    def error(mask: Tensor, values: Tensor, points: Tensor) -> float:
        latent = gon.encode(replace(batch, values=values, mask=mask))
        squared = (gon.decode(latent, batch.coords) - batch.values).square()
        return psnr(squared[points].mean(), high - low).item()

    rows = []
    for share in shares:
        observed = random_mask(len(exists), exists.shape[1], share, seed).unsqueeze(2).to(gon.device) & exists
        row = {"observed": share, "psnr": error(observed, batch.values, exists)}
        if share < 1:
            hidden, zeroed = ~observed & exists, batch.values.where(observed, 0.0)
            row |= {"hidden": error(observed, batch.values, hidden), "zeros": error(exists, zeroed, hidden)}
        rows.append(row)
    return rows
