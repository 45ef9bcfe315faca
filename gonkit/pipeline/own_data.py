"""Signals that are passed to `gonkit.train` in memory, as data sets."""

from __future__ import annotations

__all__ = ["OwnData", "split_own_data"]

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy
import torch

from gonkit.batch import Batch
from gonkit.data import (
    DatasetInfo,
    InMemoryDataset,
    Signal,
    SignalDataset,
    Split,
    SubsetDataset,
    nan_mask,
    split_indices,
)
from gonkit.errors import GonkitError
from gonkit.inference import as_batch
from gonkit.pipeline.artifacts import DatasetSplits

OwnData = Any
"""Signals: a `SignalDataset`; whatever `gonkit.inference.as_batch` takes, such as a tensor; or a dictionary with
`values` and perhaps `label` (N,) whole numbers or words, `mask` and `coords`, as in a `Batch`. Or a dictionary of one
of these for each of "train", "val" and "test"."""

PARTS = ("values", "coords", "mask", "label")


def split_own_data(signal: Signal, data: OwnData) -> DatasetSplits:
    """The data sets of a run; what is not a dictionary of splits is split at random, 8:1:1.

    Raises:
        GonkitError: a split that is missing, or data that are no signals of the type.
    """
    splits = get_args(Split)
    if isinstance(data, Mapping) and not data.keys().isdisjoint(splits):
        if missing := set(splits) - set(data):
            raise GonkitError(
                f"dataset: {', '.join(sorted(missing))} missing; give one data set each for train, val, test"
            )
        parts = [data[split] for split in splits]
        classes = _classes(parts)
        return DatasetSplits(*(_as_dataset(signal, part, classes) for part in parts))
    whole = _as_dataset(signal, data, _classes([data]))
    return DatasetSplits(*(SubsetDataset(whole, split_indices(len(whole), split)) for split in splits))


def _as_dataset(signal: Signal, data: OwnData, classes: Sequence[Any]) -> SignalDataset:
    if isinstance(data, SignalDataset):
        return data
    if not isinstance(data, Mapping):
        return InMemoryDataset(as_batch(signal, data))
    if "values" not in data or (unknown := set(data) - set(PARTS)):
        wrong = "no values" if "values" not in data else f"unknown: {', '.join(sorted(map(str, unknown)))}"
        raise GonkitError(f"dataset: a dictionary has the keys {', '.join(PARTS)}, of which values must be; {wrong}")
    values, mask, coords = data["values"], data.get("mask"), data.get("coords")
    if mask is not None:
        values, mask = torch.as_tensor(values).float(), torch.as_tensor(mask).bool()
        if mask.shape not in (values.shape, values.shape[:-1]):
            raise GonkitError(f"dataset: mask must be {tuple(values.shape)} as values; got {tuple(mask.shape)}")
        values = values.where(mask if mask.ndim == values.ndim else mask.unsqueeze(-1), torch.nan)
    if coords is not None:
        values = torch.as_tensor(values).float()
        values = Batch(torch.as_tensor(coords).float(), values, nan_mask(values))
    batch = as_batch(signal, values)
    label = data.get("label")
    if label is not None:
        label = torch.tensor([classes.index(one) for one in numpy.asarray(label).tolist()], dtype=torch.int64)
    return InMemoryDataset(replace(batch, label=label), DatasetInfo(class_names=tuple(map(str, classes))))


def _classes(parts: Sequence[OwnData]) -> list[Any]:
    """All labels of some sets, sorted, each once."""
    found = set()
    for part in parts:
        if isinstance(part, Mapping) and part.get("label") is not None:
            label = numpy.asarray(part["label"])
            if label.ndim != 1 or label.dtype.kind not in "biuU":
                raise GonkitError(
                    f"dataset: label must be (N,) whole numbers or words; got {label.dtype} {label.shape}"
                )
            found |= set(label.tolist())
    return sorted(found)
