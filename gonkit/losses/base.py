"""What every loss is: a function of a prediction and a batch that gives one value per signal."""

from __future__ import annotations

__all__ = ["Loss"]

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.differentiation import gradient


class Loss(ABC):
    """A value per signal, (B,), from a `Prediction` and the `Batch` it is compared with.

    Class attributes:
        requires: the part of a prediction that it reads: the field's values, the logits of a label head, the latent,
            the posterior of a variational model, or the prediction of the input signal itself.
        expects_logits: whether it takes the field's values as logits of values in [0, 1].
        needs_contiguous_points: whether the points must be consecutive ones of a one-dimensional grid, in order.
        differentiates: what it differentiates values by, if anything: the latent, or coords, which are then (B, P, D)
            and require a gradient. Such a field cannot be compiled.
        couples_batch: whether a signal's loss depends on the other signals of its batch.
    """

    requires: ClassVar[Literal["values", "label", "latent", "posterior", "input"]] = "values"
    expects_logits: ClassVar[bool] = False
    needs_contiguous_points: ClassVar[bool] = False
    differentiates: ClassVar[Literal["coords", "latent"] | None] = None
    couples_batch: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        """(B,)."""

    def residual(self, prediction: Prediction, batch: Batch) -> Tensor:
        """∂L/∂values (B, P, C) of every signal; differentiable while gradients are enabled."""

        def summed(values: Tensor) -> Tensor:
            return self(replace(prediction, values=values), batch).sum()

        return gradient(summed, prediction.values, create_graph=torch.is_grad_enabled())
