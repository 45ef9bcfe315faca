"""Latents of whole data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import gonkit
from gonkit.data import InMemoryDataset
from gonkit.errors import GonkitError
from gonkit.inference import encode_dataset, encode_signals, encoding
from gonkit.inference.encoding import dataset_class_means


def test_a_data_set_is_encoded_in_batches(trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = gonkit.load(trained("plain"))
    test = model.dataset("test")
    expected = encode_signals(model.gon, test, torch.arange(len(test)))
    monkeypatch.setattr(encoding, "ENCODE_BATCH_SIZE", 50)
    torch.testing.assert_close(encode_dataset(model.gon, test), expected)


def test_class_means_need_labels(trained: Callable[[str], Path]) -> None:
    model = gonkit.load(trained("plain"))
    batch = model.dataset("test").batch(torch.arange(5))
    with pytest.raises(GonkitError, match="the training signals have no labels"):
        dataset_class_means(model.gon, InMemoryDataset(replace(batch, label=None)), [0, 1])
