"""Losses that integrate a function of prediction and value over the points."""

from __future__ import annotations

__all__ = ["BCEWithLogitsLoss", "HuberLoss", "L1Loss", "MSELoss", "PointwiseLoss"]

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from gonkit.batch import Batch, Prediction
from gonkit.differentiation import gradient
from gonkit.losses.base import Loss


class PointwiseLoss(Loss):
    """An integral over the points: the sum over channels of the mean over the points where each was observed.

    The mean makes the loss, and so the latent, independent of the number of points.
    """

    @abstractmethod
    def elementwise(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The integrand, (B, P, C), of two tensors that broadcast to that shape."""

    @abstractmethod
    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        """∂²elementwise/∂prediction² ≥ 0, broadcastable to (B, P, C); of B = 1 where it does not depend on target."""

    def derivative(self, prediction: Tensor, target: Tensor) -> Tensor:
        """∂elementwise/∂prediction, (B, P, C); a subclass that knows its formula saves a graph."""

        def summed(prediction: Tensor) -> Tensor:
            return self.elementwise(prediction, target).sum()

        return gradient(summed, prediction, create_graph=torch.is_grad_enabled())

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        return (self.elementwise(prediction.values, batch.observed_values) * batch.point_weights).sum((1, 2))

    def residual(self, prediction: Prediction, batch: Batch) -> Tensor:
        return self.derivative(prediction.values, batch.observed_values) * batch.point_weights


class MSELoss(PointwiseLoss):
    """(F − x)², the paper's choice inside and outside; with it the latent is affine in the data."""

    def elementwise(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).square()

    def derivative(self, prediction: Tensor, target: Tensor) -> Tensor:
        return 2 * (prediction - target)

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.new_full((1, 1, 1), 2.0)


class L1Loss(PointwiseLoss):
    """|F − x|. It has no curvature, so that the damped step equals the gradient step."""

    def elementwise(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs()

    def derivative(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).sign()

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.new_zeros((1, 1, 1))


@dataclass(frozen=True)
class HuberLoss(PointwiseLoss):
    """Half the squared error up to `delta`, linear beyond: Huber (1964).

    Attributes:
        delta: in network units.
    """

    delta: float = 1.0

    def elementwise(self, prediction: Tensor, target: Tensor) -> Tensor:
        prediction, target = torch.broadcast_tensors(prediction, target)
        return functional.huber_loss(prediction, target, reduction="none", delta=self.delta)

    def derivative(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).clamp(-self.delta, self.delta)

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target).abs() < self.delta).to(prediction.dtype)


class BCEWithLogitsLoss(PointwiseLoss):
    """−x log σ(F) − (1−x) log(1−σ(F)), in nats: the field gives logits of values in [0, 1]."""

    expects_logits: ClassVar[bool] = True

    def elementwise(self, prediction: Tensor, target: Tensor) -> Tensor:
        return functional.softplus(prediction) - target * prediction

    def derivative(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.sigmoid(prediction) - target

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        probability = torch.sigmoid(prediction)
        return probability * (1 - probability)
