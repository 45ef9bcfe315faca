"""The classifier in whose features samples are compared with real signals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gonkit.batch import Batch
from gonkit.data import InMemoryDataset
from gonkit.errors import GonkitError
from gonkit.evaluation import (
    FeatureClassifier,
    load_feature_classifier,
    save_feature_classifier,
    train_feature_classifier,
)
from signals.image import Image


def test_a_classifier_learns_labels_and_keeps_its_hash(tmp_path: Path) -> None:
    signal = Image()
    train, test = signal.dataset("train"), signal.dataset("test")
    classifier = train_feature_classifier(signal, train, seed=0)
    batch = test.batch(torch.arange(len(test)))
    values = signal.grid().unflatten(batch.values)
    features = classifier.features(values)
    assert features.shape == (len(test), 64)
    assert (classifier.classify(features).argmax(1) == batch.label).float().mean() > 0.93
    save_feature_classifier(classifier, tmp_path / "classifier.safetensors")
    again = load_feature_classifier(tmp_path / "classifier.safetensors")
    assert again.hash() == classifier.hash()
    assert torch.equal(again.features(values), features)  # the same call, on the same tensors
    with torch.no_grad():
        again.classifier.bias[0] += 1
    assert again.hash() != classifier.hash()


def test_a_file_that_holds_no_classifier_is_named(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("nothing")
    with pytest.raises(GonkitError, match="other: cannot be read as a file that gonkit wrote"):
        load_feature_classifier(tmp_path / "other")


@pytest.mark.parametrize("grid_shape", [(100,), (28, 28), (5, 60), (16, 16, 16)])
def test_grids_have_one_to_three_axes(grid_shape: tuple[int, ...]) -> None:
    classifier = FeatureClassifier(grid_shape, 2, 3)
    assert classifier.features(torch.randn(4, *grid_shape, 2)).shape == (4, 64)
    with pytest.raises(GonkitError, match="one to three axes"):
        FeatureClassifier((4, 4, 4, 4), 1, 2)


def test_signals_without_labels_or_without_a_grid_are_not_classified() -> None:
    signal = Image()
    batch = signal.dataset("test").batch(torch.arange(6))
    unlabeled = Batch(batch.coords, batch.values)
    elsewhere = Batch(batch.coords.expand(6, -1, -1), batch.values, label=batch.label)
    for data in (unlabeled, elsewhere):
        with pytest.raises(GonkitError, match="the training signals have no labels, or no common grid"):
            train_feature_classifier(signal, InMemoryDataset(data))
