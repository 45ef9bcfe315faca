"""Signals at points of their own, filled up to the same number with points that count as unobserved."""

from __future__ import annotations

__all__ = ["PointsDataset", "interpolate_points"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy
import torch
from torch import Tensor

from gonkit.batch import Batch, Sample
from gonkit.data import DatasetInfo, InMemoryDataset, Pair

Array = numpy.ndarray[Any, Any]


class PointsDataset(InMemoryDataset):
    """Signals in memory, with some points of each kept for evaluation.

    When evaluating, latents are inferred from the other points, and predictions are measured at those that were kept,
    beside linear interpolation between the same other points.

    Args:
        samples: the signals.
        info: names, labels and so on.
        kept: share of each signal's points that is kept; 0 infers from all and measures at all.
        to_object: makes an object of a signal's coords (P, D) and values (P, C).
    """

    def __init__(
        self, samples: Sequence[Sample], info: DatasetInfo, kept: float, to_object: Callable[[Tensor, Tensor], Any]
    ) -> None:
        batch = Batch.stack(samples, torch.empty(0, 1))
        super().__init__(replace(batch, label=info.labels), info)
        self.to_object = to_object
        self.kept = _kept_points(self.data, kept) if kept else None

    def pair(self, index: Tensor, *, evaluate: bool = False) -> Pair:
        batch = self.batch(index)
        if not evaluate or self.kept is None:
            return Pair(batch, batch)
        kept = self.kept[index].to(batch.values.device)
        return Pair(batch.with_mask(~kept), batch.with_mask(kept))

    def references(self, index: Tensor) -> list[Any]:
        batch = self.batch(index)
        return [self.to_object(*pair) for pair in zip(batch.coords.cpu(), batch.filled(torch.nan).cpu(), strict=True)]

    def baselines(self, index: Tensor) -> Mapping[str, Tensor]:
        known, wanted = self.pair(index, evaluate=True)
        if self.kept is None:
            return {}
        parts = zip(known.coords, known.values, known.is_observed, wanted.coords, strict=True)
        rows = [interpolate_points(*(part.cpu().numpy() for part in one)) for one in parts]
        return {"interpolation": torch.from_numpy(numpy.stack(rows)).float()}


def _kept_points(batch: Batch, share: float) -> Tensor:
    """(B, P) True for a random share of each signal's points: at least one, and never all."""
    exists = batch.is_observed.any(2)
    keys = torch.rand(exists.shape, generator=torch.Generator().manual_seed(0)).where(exists, torch.inf)
    counts = exists.sum(1, keepdim=True)
    return keys.argsort(1).argsort(1) < (share * counts).round().clamp_min(1).minimum(counts - 1)


def interpolate_points(coords: Array, values: Array, observed: Array, at: Array) -> Array:
    """(P', C) values interpolated linearly between points; beyond their hull, and in more than three dimensions, those
    of the nearest.

    Args:
        coords: (P, D).
        values: (P, C).
        observed: (P, C).
        at: (P', D).
    """
    from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
    from scipy.spatial import QhullError

    results = []
    for channel, known in zip(values.T, observed.T, strict=True):
        points, numbers = coords[known], channel[known]
        if not len(points):
            results.append(numpy.zeros(len(at)))
            continue
        if points.shape[1] == 1:
            order = points[:, 0].argsort()
            results.append(numpy.interp(at[:, 0], points[order, 0], numbers[order]))
            continue
        result = NearestNDInterpolator(points, numbers)(at)
        if points.shape[1] <= 3 and len(points) > points.shape[1]:
            try:
                inside = LinearNDInterpolator(points, numbers)(at)
            except QhullError:  # all points on a line or plane
                inside = numpy.full(len(at), numpy.nan)
            result = numpy.where(numpy.isnan(inside), result, inside)
        results.append(result)
    return numpy.stack(results, 1)
