"""Which signals, points and random numbers a training step uses: functions of the seed and the step alone."""

from __future__ import annotations

__all__ = ["StepSampler"]

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy
import torch
from torch import Tensor


@dataclass(frozen=True)
class StepSampler:
    """Draws signals, points and noise of each step.

    No random state is carried from step to step, so that a resumed run draws what an uninterrupted one would have.

    Attributes:
        seed: of everything.
        num_signals: of the training set.
        batch_size: signals per step, B.
    """

    STREAMS: ClassVar = {"order": 0, "inner": 1, "outer": 2, "noise": 3, "dropout": 4, "losses": 5, "refined": 6}

    seed: int
    num_signals: int
    batch_size: int

    def batch_indices(self, step: int) -> Tensor:
        """(B,) signals of a step, from 1: one shuffled epoch after another, without gaps."""
        positions = range((step - 1) * self.batch_size, step * self.batch_size)
        epochs = {position // self.num_signals for position in positions}
        orders = {epoch: _epoch_permutation(self, epoch) for epoch in epochs}
        return torch.stack([orders[p // self.num_signals][p % self.num_signals] for p in positions])

    def point_indices(
        self, stream: str, step: int, total: int, count: int | None, contiguous: bool = False
    ) -> Tensor | None:
        """(count,) of `total` points, each at most once; None for all.

        A contiguous run of points may begin before the first point or end after the last, and is then moved inside: so
        the ends are drawn no less often than the middle.
        """
        if count is None or count >= total:
            return None
        if not contiguous:
            return self._permutation(stream, step, total)[:count]
        start = torch.randint(1 - count, total, (), generator=self._generator(stream, step))
        return start.clamp(0, total - count) + torch.arange(count)

    def noise(self, step: int, dim: int) -> Tensor:
        """(B, dim) standard normal."""
        return torch.randn(self.batch_size, dim, generator=self._generator("noise", step))

    def dropout_mask(self, step: int, probability: float) -> Tensor:
        """(B, 1) bool, True with a probability."""
        return torch.rand(self.batch_size, 1, generator=self._generator("dropout", step)) < probability

    def step_seed(self, step: int) -> int:
        """Seed for whatever else a step draws."""
        return self._generator("losses", step).initial_seed()

    def _permutation(self, stream: str, number: int, total: int) -> Tensor:
        return torch.randperm(total, generator=self._generator(stream, number))

    def _generator(self, stream: str, number: int) -> torch.Generator:
        entropy = numpy.random.SeedSequence((self.seed, self.STREAMS[stream], number))
        return torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))


@lru_cache(maxsize=4)
def _epoch_permutation(sampler: StepSampler, epoch: int) -> Tensor:
    return sampler._permutation("order", epoch, sampler.num_signals)
