"""Metrics of a classifier."""

from __future__ import annotations

__all__ = ["ClassificationResult"]

from dataclasses import dataclass

import torch
from torch import Tensor

NUM_BINS = 15  # of confidence, for the calibration error


@dataclass(frozen=True)
class ClassificationResult:
    """Predicted and true labels of a data set.

    Attributes:
        latent: (B, K).
        probabilities: (B, N).
        label: (B,) int64, the true labels.
        class_names: names of the N classes.

    Example:
        >>> probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
        >>> result = ClassificationResult(torch.zeros(3, 2), probabilities, torch.tensor([0, 1, 1]), ("no", "yes"))
        >>> result.confusion_matrix().tolist(), round(result.metrics()["accuracy"], 3)
        ([[1, 0], [1, 1]], 0.667)
    """

    latent: Tensor
    probabilities: Tensor
    label: Tensor
    class_names: tuple[str, ...]

    def metrics(self) -> dict[str, float]:
        """`accuracy`; `nll`, mean −log probability of the true label in nats; `calibration`, expected error.

        The calibration error is the mean |accuracy − confidence| over 15 bins of confidence, weighted by the number
        of signals in each: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, equation 3.
        """
        confidence, predicted = self.probabilities.max(1)
        correct = (predicted == self.label).double()
        bins = (confidence * NUM_BINS).long().clamp(max=NUM_BINS - 1)
        gaps = torch.zeros(NUM_BINS, dtype=torch.float64).index_add_(0, bins, correct - confidence.double())
        true = self.probabilities.gather(1, self.label.unsqueeze(1)).clamp_min(1e-12)
        return {
            "accuracy": correct.mean().item(),
            "nll": -true.log().mean().item(),
            "calibration": (gaps.abs().sum() / len(correct)).item(),
        }

    def confusion_matrix(self) -> Tensor:
        """(N, N) number of signals of the row's true class that are predicted to be of the column's class."""
        count = len(self.class_names)
        pairs = self.label * count + self.probabilities.argmax(1)
        return torch.bincount(pairs, minlength=count**2).view(count, count)
