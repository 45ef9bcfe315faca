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
from gonkit.inference import encode_dataset, encode_signals, encoding, prior_indices
from gonkit.inference.encoding import dataset_class_means


def test_a_data_set_is_encoded_in_batches(trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = gonkit.load(trained("plain"))
    test = model.dataset("test")
    expected = encode_signals(model.gon, test, torch.arange(len(test)))
    monkeypatch.setattr(encoding, "ENCODE_BATCH_SIZE", 50)
    torch.testing.assert_close(encode_dataset(model.gon, test), expected)


def test_priors_take_all_latents_or_some_refined_ones(
    trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = gonkit.load(trained("plain"))
    train = model.dataset("train")
    monkeypatch.setattr(encoding, "MAX_REFINED_SIGNALS", 3)
    assert len(prior_indices(model.gon, train)) == len(train)
    assert len(prior_indices(model.gon, train, refine=1)) == 3
    model.gon.refine = 1
    assert len(prior_indices(model.gon, train)) == 3
    assert len(prior_indices(model.gon, train, refine=0)) == len(train)


def test_class_means_need_labels(trained: Callable[[str], Path]) -> None:
    model = gonkit.load(trained("plain"))
    batch = model.dataset("test").batch(torch.arange(5))
    with pytest.raises(GonkitError, match="the training signals have no labels"):
        dataset_class_means(model.gon, InMemoryDataset(replace(batch, label=None)), [0, 1])
