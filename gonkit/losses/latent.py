"""Losses on what hangs on the latent: labels, a posterior, and the input signal itself."""

from __future__ import annotations

__all__ = ["CrossEntropyLoss", "InputReconstructionLoss", "KLLoss"]

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional

from gonkit.batch import Batch, Prediction
from gonkit.losses.base import Loss


class CrossEntropyLoss(Loss):
    """−log softmax(f(z))_y, in nats: Eq. 2 of the paper, a GON that classifies by a head f on its latent."""

    requires: ClassVar[Literal["label"]] = "label"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        if prediction.logits is None or batch.label is None:
            raise ValueError("cross_entropy needs a label head and labels")
        return functional.cross_entropy(prediction.logits, batch.label, reduction="none")


class KLLoss(Loss):
    """½ Σ_k (μ² + σ² − 1 − log σ²), in nats: divergence of the latent's posterior from the standard normal.

    Kingma & Welling, Auto-Encoding Variational Bayes, arXiv 1312.6114, appendix B.
    """

    requires: ClassVar[Literal["posterior"]] = "posterior"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        if prediction.posterior is None:
            raise ValueError("kl needs a variational model")
        mean, log_variance = prediction.posterior
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


@dataclass(frozen=True)
class InputReconstructionLoss(Loss):
    """The inner loss at the latent: how well the input signal is reconstructed where the target is another signal.

    Attributes:
        inner: L_inner.
    """

    inner: Loss
    requires: ClassVar[Literal["input"]] = "input"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        if prediction.input_values is None:
            raise ValueError("source needs a prediction of the input signal")
        values, inputs = prediction.input_values
        return self.inner(Prediction(values, prediction.latent), inputs)
