"""Chance without memory: what a step draws is a function of the seed and the step's number."""

from __future__ import annotations

__all__ = ["Draws"]

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy
import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Which signals and points each step takes: functions of seed and step alone.

    Nothing random is carried from step to step, so that a resumed run draws what an uninterrupted one
    would have.

    Attributes:
        seed: of everything.
        count: signals in the training set.
        size: signals per step.
    """

    STREAMS: ClassVar = {"order": 0, "inner": 1, "outer": 2, "noise": 3, "dropped": 4, "losses": 5}

    seed: int
    count: int
    size: int

    def signals(self, step: int) -> Tensor:
        """(B,) numbers of the signals of a step, from 1: one shuffled pass after another, without gaps."""
        places = range((step - 1) * self.size, step * self.size)
        orders = {epoch: _order(self, epoch) for epoch in {place // self.count for place in places}}
        return torch.stack([orders[place // self.count][place % self.count] for place in places])

    def points(self, stream: str, step: int, total: int, count: int | None, consecutive: bool = False) -> Tensor | None:
        """(count,) numbers of points, each at most once; None for all.

        Consecutive ones begin anywhere, also before the first point or so that they would end after the
        last, and are then moved inside: so the ends are drawn no less often than the middle.
        """
        if count is None or count >= total:
            return None
        if not consecutive:
            return self._shuffled(stream, step, total)[:count]
        start = torch.randint(1 - count, total, (), generator=self._generator(stream, step))
        return start.clamp(0, total - count) + torch.arange(count)

    def noise(self, step: int, latents: int) -> Tensor:
        """(B, latents) of the unit normal."""
        return torch.randn(self.size, latents, generator=self._generator("noise", step))

    def dropped(self, step: int, share: float) -> Tensor:
        """(B, 1) bool, True for about a share of a step's signals."""
        return torch.rand(self.size, 1, generator=self._generator("dropped", step)) < share

    def seed_of(self, step: int) -> int:
        """For what else a step may draw."""
        return self._generator("losses", step).initial_seed()

    def _shuffled(self, stream: str, number: int, total: int) -> Tensor:
        return torch.randperm(total, generator=self._generator(stream, number))

    def _generator(self, stream: str, number: int) -> torch.Generator:
        entropy = numpy.random.SeedSequence((self.seed, self.STREAMS[stream], number))
        return torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))


@lru_cache(maxsize=4)
def _order(draws: Draws, epoch: int) -> Tensor:
    """Of all signals in one pass."""
    return draws._shuffled("order", epoch, draws.count)
