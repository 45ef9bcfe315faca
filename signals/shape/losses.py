"""Losses on truncated signed distances."""

from __future__ import annotations

__all__ = ["TRUNCATION", "EikonalLoss", "TruncatedL1Loss"]

from typing import ClassVar, Literal

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses import Loss, PointwiseLoss

TRUNCATION = 0.1  # distance from the surface, in normalized units, at which values reach ±1


class TruncatedL1Loss(PointwiseLoss):
    """|clamp(F, −1, 1) − x|: no loss where x is truncated at ±1 and F lies beyond it.

    Park et al., DeepSDF, arXiv 1901.05103, equation 4. It reads values in the signal's own unit: set
    `field.standardize = false`.
    """

    def elementwise(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction.clamp(-1, 1) - target).abs()

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.new_zeros((1, 1, 1))


class EikonalLoss(Loss):
    """(|∇F| · TRUNCATION − 1)², averaged over the points whose values are not truncated.

    Gropp et al., Implicit Geometric Regularization for Learning Shapes, arXiv 2002.10099. It reads values in the
    signal's own unit: set `field.standardize = false`.
    """

    differentiates: ClassVar[Literal["coords"]] = "coords"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        (slope,) = torch.autograd.grad(prediction.values.sum(), batch.coords, create_graph=True)
        within = (batch.values.abs() < 1).squeeze(-1)
        # the constant keeps the norm differentiable where the slope is zero
        cost = ((slope + 1e-12).norm(dim=-1) * TRUNCATION - 1).square().where(within, 0.0)
        mean: Tensor = cost.sum(1) / within.sum(1).clamp_min(1)
        return mean
