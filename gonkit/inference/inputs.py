"""Whatever is to be encoded, as a batch: files, objects, arrays and tensors."""

from __future__ import annotations

__all__ = ["Signals", "as_batch"]

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from gonkit.batch import Batch, Sample
from gonkit.data import Signal, nan_mask
from gonkit.errors import GonkitError

Signals = Any
"""One signal or a sequence of them, each a path, a `Sample` or an object of the type; or a `Batch`; or numbers on the
type's grid as a tensor or array: (B, P, C), (B, *shape, C), (B, C, *shape), (B, *shape) of one channel, or one signal
without the first axis."""


def as_batch(signal: Signal, signals: Signals) -> Batch:
    """Signals of a type as a batch; see `Signals`. NaN in arrays marks what was not observed.

    Raises:
        GonkitError: a file that cannot be read, an object or a shape that is not of this type, infinite values, or
            values further outside the type's range than the range is wide (which is not asked of a `Batch`).
    """
    if isinstance(signals, Batch):
        return _checked(signal, signals)
    if isinstance(signals, (Tensor, numpy.ndarray, numpy.generic)):
        return _in_range(signal, _checked(signal, _batch_of_numbers(signal, torch.as_tensor(signals))))
    is_one = not isinstance(signals, (list, tuple)) or _is_pair(signals)
    samples = [sample for one in ([signals] if is_one else signals) for sample in _to_samples(signal, one)]
    if not samples:
        raise GonkitError("no signals were given")
    return _in_range(signal, _checked(signal, Batch.stack(samples, signal.grid().coords)))


def _is_pair(signals: Sequence[Any]) -> bool:
    """Whether a tuple is one object, of numbers and what they mean, such as samples and their rate."""
    return isinstance(signals, tuple) and len(signals) == 2 and isinstance(signals[1], (int, float))


def _to_samples(signal: Signal, one: Any) -> list[Sample]:
    if isinstance(one, Sample):
        return [one]
    if isinstance(one, (str, os.PathLike)):
        return signal.files.load_all(Path(one))
    if isinstance(one, (Tensor, numpy.ndarray)):
        batch = _batch_of_numbers(signal, torch.as_tensor(one))
        if len(batch) != 1:
            raise GonkitError(f"a sequence of signals holds one each; got an array of shape {tuple(one.shape)}")
        return [Sample(batch.values[0], mask=None if batch.mask is None else batch.mask[0])]
    return [signal.files.from_object(one)]


def _batch_of_numbers(signal: Signal, numbers: Tensor) -> Batch:
    grid, channels = signal.grid(), signal.channels
    points, shape = len(grid), tuple(numbers.shape)
    layouts = {(points, channels): 0, (*grid.shape, channels): 0, (channels, *grid.shape): 1}
    if channels == 1:
        layouts |= {grid.shape: 0, (points,): 0}
    for lead in (1, 0):
        kind = layouts.get(shape[lead:])
        if kind is not None and len(shape) >= lead:
            break
    else:
        wanted = " or ".join(f"(B, {', '.join(map(str, one))})" for one in layouts)
        raise GonkitError(f"numbers of shape {shape}; {type(signal).__name__} takes {wanted}, or one without B")
    if numbers.is_complex():
        raise GonkitError("real numbers are wanted; got complex ones")
    values = numbers if lead else numbers.unsqueeze(0)
    values = values.movedim(1, -1) if kind == 1 else values
    values = values.reshape(len(values), points, channels).float()
    return Batch(grid.coords, values, nan_mask(values))


def _checked(signal: Signal, batch: Batch) -> Batch:
    """The batch, of the type's channels, with finite values where they were observed."""
    if batch.values.shape[2] != signal.channels:
        raise GonkitError(f"signals of {batch.values.shape[2]} channels; {type(signal).__name__} has {signal.channels}")
    if not batch.values.is_floating_point():
        raise GonkitError(f"values of a batch must be floating-point numbers; got {batch.values.dtype}")
    values = batch.observed_values
    if not values.isfinite().all():
        raise GonkitError(
            "values that are not finite (NaN or infinity): mark them as unobserved by Batch(..., mask=...)"
        )
    return batch


def _in_range(signal: Signal, batch: Batch) -> Batch:
    """The batch, with values of about the type's range, such as 0 to 1 and not 0 to 255."""
    values = batch.values[batch.observed.expand_as(batch.values)] if batch.observed is not None else batch.values
    low, high = signal.value_range
    lowest, highest = values.min().item(), values.max().item()
    if lowest < 2 * low - high or highest > 2 * high - low:
        raise GonkitError(
            f"values from {lowest:.4g} to {highest:.4g}; {type(signal).__name__} takes those from {low:g} to {high:g}: "
            "scale them as the training signals were"
        )
    return batch
