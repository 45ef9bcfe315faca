"""Helpers for tests of signal types."""

from __future__ import annotations

import torch

from gonkit.batch import Batch
from gonkit.data import SignalDataset


def all_signals(dataset: SignalDataset) -> Batch:
    """The whole data set as one batch."""
    return dataset.batch(torch.arange(len(dataset)))


def all_names(dataset: SignalDataset) -> list[str]:
    """The names of all its signals."""
    return dataset.info.names_of(torch.arange(len(dataset)))
