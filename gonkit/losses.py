"""Losses with one signature, (prediction, batch) → one value per signal, and their weighted sum."""

from __future__ import annotations

__all__ = ["BCE", "L1", "MSE", "Huber", "Loss", "Objective", "Pointwise", "loss_named"]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from gonkit.names import import_named, nearest
from gonkit.signal import Batch, Prediction, SignalError


class Loss(ABC):
    """A number per signal, (B,), from a `Prediction` and the `Batch` it is held against.

    Attributes:
        logits: whether the loss reads the field's output as logits of values in [0, 1].
    """

    logits: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        """(B,)."""


class Pointwise(Loss):
    """An integral over the points: the mean over the observed ones of the sum over channels.

    The mean makes the loss, and so the latent, independent of how many points were drawn.
    """

    @abstractmethod
    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The integrand, (B, P, C), of two tensors that broadcast to that shape."""

    @abstractmethod
    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        """∂²density/∂prediction² ≥ 0, broadcastable to (B, P, C); of B = 1 where no target enters."""

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        target = batch.values
        if batch.mask is not None:  # an unobserved point may hold anything, NaN too
            target = target.where(batch.mask.unsqueeze(-1), 0.0)
        return (self.density(prediction.values, target) * batch.weights).sum((1, 2))


class MSE(Pointwise):
    """(F − x)², the paper's choice for both losses; makes the latent affine in the data."""

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).square()

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.new_full((1, 1, 1), 2.0)


class L1(Pointwise):
    """|F − x|. Without curvature: a damped origin step equals the gradient step."""

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs()

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.new_zeros((1, 1, 1))


@dataclass(frozen=True)
class Huber(Pointwise):
    """Half the square up to `delta` (network units), then straight: Huber (1964)."""

    delta: float = 1.0

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        prediction, target = torch.broadcast_tensors(prediction, target)
        return functional.huber_loss(prediction, target, reduction="none", delta=self.delta)

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target).abs() < self.delta).to(prediction.dtype)


class BCE(Pointwise):
    """−x log σ(F) − (1−x) log(1−σ(F)), in nats: the field gives logits of values in [0, 1]."""

    logits: ClassVar[bool] = True

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        return functional.softplus(prediction) - target * prediction

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        chance = torch.sigmoid(prediction)
        return chance * (1 - chance)


LOSSES: Mapping[str, type[Loss]] = {"mse": MSE, "l1": L1, "huber": Huber, "bce": BCE}


def loss_named(name: str) -> Loss:
    """The loss that a recipe means by `name`: one of gonkit's, or `module:Class`, or `file.py:Class`.

    Raises:
        SignalError: no such loss.

    Example:
        >>> loss_named("huber")
        Huber(delta=1.0)
    """
    if ":" in name:
        return import_named(name, Loss)()
    if name not in LOSSES:
        raise SignalError(f"no loss is called {name!r}{nearest(name, LOSSES)}; there are {', '.join(LOSSES)}")
    return LOSSES[name]()


@dataclass(frozen=True)
class Objective:
    """The inner loss, which makes latents, and the weighted outer terms, which train the network.

    Attributes:
        inner: reads `prediction.values` only.
        outer: name → (weight, loss).

    Raises:
        ValueError: no outer loss, or some losses read logits and others values.
    """

    inner: Loss
    outer: Mapping[str, tuple[float, Loss]]

    def __post_init__(self) -> None:
        if not self.outer:
            raise ValueError("there is no outer loss: nothing would be learned")
        kinds = {loss.logits for loss in (self.inner, *(loss for _, loss in self.outer.values()))}
        if len(kinds) > 1:
            raise ValueError(
                "inner and outer losses must read the field alike: bce reads logits, the others values; "
                "use bce for both or for none"
            )

    @staticmethod
    def named(inner: str, outer: Mapping[str, float]) -> Objective:
        """From a recipe's names and weights."""
        return Objective(loss_named(inner), {name: (weight, loss_named(name)) for name, weight in outer.items()})

    @property
    def logits(self) -> bool:
        """Whether the field's output is logits of values in [0, 1]."""
        return self.inner.logits

    def __call__(self, prediction: Prediction, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The batch's mean of the weighted sum, and of each term unweighted; all scalars."""
        terms = {name: loss(prediction, batch).mean() for name, (_, loss) in self.outer.items()}
        total = torch.stack([weight * terms[name] for name, (weight, _) in self.outer.items()]).sum()
        return total, terms
