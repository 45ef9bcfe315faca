"""Labels of whole data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import gonkit
from gonkit.batch import Batch
from gonkit.data import DatasetInfo, InMemoryDataset
from gonkit.errors import GonkitError
from gonkit.evaluation import classify_dataset, validate_labels
from gonkit.inference import encode_dataset
from tests.conftest import waves


def test_labels_that_are_missing_or_unknown_are_named() -> None:
    known = waves()
    unlabeled = InMemoryDataset(Batch(known.data.coords, known.data.values))
    with pytest.raises(GonkitError, match=r"loss.outer: .*the validation signals have none; put files into"):
        validate_labels({"training": known, "validation": unlabeled})
    label = known.data.label
    assert label is not None
    some = InMemoryDataset(known.data[label < 3], DatasetInfo(class_names=known.info.class_names))
    with pytest.raises(GonkitError, match=r"the test signals have labels that no training signal has \('wave 3'\)"):
        validate_labels({"training": some, "test": known})
    validate_labels({"training": known, "test": some})


def test_a_data_set_is_classified_from_its_latents(trained: Callable[[str], Path]) -> None:
    folder = trained("classifier")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["accuracy"] > 0.7
    assert "psnr" not in evaluation
    model = gonkit.load(folder)
    test = model.dataset("test")
    result = classify_dataset(model.gon, test)
    assert result is not None
    assert result.metrics()["accuracy"] == evaluation["accuracy"]
    latent = encode_dataset(model.gon, test)
    torch.testing.assert_close(result.probabilities, model.gon.classify(latent))
    known = classify_dataset(model.gon, test, latent)
    assert known is not None
    torch.testing.assert_close(known.probabilities, result.probabilities)


def test_there_is_nothing_to_classify_without_a_label_head_or_labels(trained: Callable[[str], Path]) -> None:
    plain, classifier = gonkit.load(trained("plain")), gonkit.load(trained("classifier"))
    test = plain.dataset("test")
    assert classify_dataset(plain.gon, test) is None
    unlabeled = InMemoryDataset(replace(test.batch(torch.arange(5)), label=None))
    assert classify_dataset(classifier.gon, unlabeled) is None
