"""Metrics of a classifier."""

from __future__ import annotations

import math

import pytest
import torch

from gonkit.metrics import ClassificationResult


def test_metrics_of_labels_equal_their_formulas() -> None:
    probabilities = torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.3, 0.3, 0.4], [0.0, 0.2, 0.8]])
    result = ClassificationResult(torch.zeros(4, 2), probabilities, torch.tensor([0, 1, 2, 2]), ("a", "b", "c"))
    metrics = result.metrics()
    assert metrics["accuracy"] == 0.75
    assert metrics["nll"] == pytest.approx(-sum(math.log(p) for p in (0.9, 0.4, 0.4, 0.8)) / 4, rel=1e-5)
    assert metrics["calibration"] == pytest.approx((0.1 + 0.6 + 0.6 + 0.2) / 4, rel=1e-5)  # each in a bin of its own
    assert result.confusion_matrix().tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 2]]
