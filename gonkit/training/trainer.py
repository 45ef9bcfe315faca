"""Updates of a network's weights, one training step after another: the part of training that is repeated."""

from __future__ import annotations

__all__ = ["StepResult", "Trainer"]

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from gonkit.batch import Prediction
from gonkit.data import Pair, SignalDataset
from gonkit.nn import GON
from gonkit.recipe import Recipe
from gonkit.training.distributed import ProcessGroup
from gonkit.training.loader import iterate_batches
from gonkit.training.optimizers import NetworkOptimizer
from gonkit.training.sampler import StepSampler
from gonkit.training.step import StepInputs, TrainStep


class StepResult(NamedTuple):
    """What a step gives, on the device: to read a number is to wait for it.

    Attributes:
        prediction: of the step's signals.
        losses: the loss and its terms, scalars.
        gradient_norm: before clipping, scalar.
        learning_rate: of the update.
    """

    prediction: Prediction
    losses: dict[str, Tensor]
    gradient_norm: Tensor
    learning_rate: float


class Trainer:
    """Draws signals and points, goes forward and back, clips, and updates; it waits for the device nowhere.

    Args:
        gon: the network, on its device.
        recipe: with "auto" resolved.
        dataset: signals to learn from.
        group: of the processes that train the network together; None for one.
    """

    def __init__(self, gon: GON, recipe: Recipe, dataset: SignalDataset, group: ProcessGroup | None = None) -> None:
        self.gon, self.settings, self.dataset, self.group = gon, recipe.train, dataset, group or ProcessGroup()
        self.sampler = StepSampler(self.settings.seed, len(dataset), self.settings.batch, gon.device)
        self.train_step = TrainStep(gon, recipe, self.sampler, self.group)
        self.optimizer = NetworkOptimizer(gon, self.settings)
        self.weights = list(gon.parameters())
        self.grad_clip = self.settings.grad_clip or math.inf

    def batches(self, first: int) -> Iterator[tuple[int, Pair]]:
        """The steps from `first`, each with this process's signals."""
        settings = self.settings
        return iterate_batches(self.dataset, self.sampler, self.group, first, settings.steps, settings.workers)

    def prepare(self, step: int, pair: Pair) -> StepInputs:
        """A step's signals on the device, at the points that it draws."""
        return self.train_step.prepare(step, *(part.to(self.gon.device) for part in pair))

    def update(self, step: int, inputs: StepInputs) -> StepResult:
        """Updates the weights."""
        self.optimizer.zero_grad()
        prediction, losses = self.train_step.backward(step, inputs)
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        self.group.all_reduce_mean([*gradients, *losses.values()])
        norm = torch.nn.utils.clip_grad_norm_(self.weights, self.grad_clip)
        rate = self.optimizer.learning_rate
        self.optimizer.step()
        return StepResult(prediction, losses, norm.detach(), rate)
