"""The optimizers of a network and their schedule, handled as one."""

from __future__ import annotations

__all__ = ["NetworkOptimizer"]

import math

import torch
from torch import nn

from gonkit.nn import GON
from gonkit.recipe import TrainSettings


class NetworkOptimizer:
    """Adam for all weights; or Muon for the matrices between sine layers, and Adam for the others; with decoupled
    weight decay.

    The learning rate rises linearly and falls by half a cosine to `lr_floor`: a function of the step alone, so that it
    need not be saved. Muon: Jordan et al., Muon: An Optimizer for Hidden Layers in Neural Networks (2024), as
    `torch.optim.Muon`. Decay: Loshchilov & Hutter, Decoupled Weight Decay Regularization, arXiv 1711.05101.

    Args:
        gon: whose weights are trained.
        settings: optimizer, learning rate, schedule and weight decay.
    """

    def __init__(self, gon: GON, settings: TrainSettings) -> None:
        self.settings = settings
        matrices = _hidden_matrices(gon) if settings.optimizer == "muon" else []
        known = {id(matrix) for matrix in matrices}
        others = [weight for weight in gon.parameters() if id(weight) not in known]
        rate, decay = settings.learning_rate, settings.weight_decay
        self.parts: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, lr=rate, weight_decay=decay, fused=True)]
        if matrices:
            self.parts.append(torch.optim.Muon(matrices, lr=rate, weight_decay=decay))
        self.start(0)

    def start(self, done: int) -> None:
        """Sets the schedule to what it is after `done` updates."""
        self.done = done
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = self.learning_rate

    @property
    def learning_rate(self) -> float:
        """Of the next update."""
        settings = self.settings
        rise = min(1.0, (self.done + 1) / max(settings.warmup, 1))
        fall = 0.5 * (1 + math.cos(math.pi * self.done / settings.steps))
        return settings.learning_rate * rise * (settings.lr_floor + (1 - settings.lr_floor) * fall)

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        """Updates the weights, and the learning rate."""
        for part in self.parts:
            part.step()
        self.start(self.done + 1)


def _hidden_matrices(gon: GON) -> list[nn.Parameter]:
    fields = [gon.field] if gon.encoder is None else [gon.field, gon.encoder]
    return [matrix for field in fields for matrix in field.hidden_matrices]
