"""Which signals, points and random numbers a training step uses: functions of the seed and the step alone."""

from __future__ import annotations

__all__ = ["StepSampler"]

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy
import torch
from torch import Tensor

MAX_BLOCK = 64  # steps whose random numbers are drawn together
MAX_NUMBERS = 1 << 20  # of them


@dataclass(frozen=True)
class StepSampler:
    """Draws signals, points and noise of each step.

    No random state is carried from step to step, so that a resumed run draws what an uninterrupted one would have. The
    numbers of a block of steps are drawn at once, on the CPU, so that they are the same for every device.

    Attributes:
        seed: of everything.
        num_signals: of the training set.
        batch_size: signals per step, B.
        device: to which points and noise are moved, a block at a time.
    """

    STREAMS: ClassVar = {"order": 0, "inner": 1, "outer": 2, "noise": 3, "dropout": 4, "losses": 5, "refined": 6}

    seed: int
    num_signals: int
    batch_size: int
    device: torch.device | str = "cpu"

    def batch_indices(self, step: int) -> Tensor:
        """(B,) signals of a step, from 1, on the CPU: one shuffled epoch after another, without gaps."""
        epoch, first = divmod((step - 1) * self.batch_size, self.num_signals)
        parts, missing = [], self.batch_size
        while missing:
            parts.append(_epoch_permutation(self, epoch)[first : first + missing])
            missing -= len(parts[-1])
            epoch, first = epoch + 1, 0
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def point_indices(
        self, stream: str, step: int, total: int, count: int | None, contiguous: bool = False
    ) -> Tensor | None:
        """(count,) of `total` points, each at most once; None for all.

        A contiguous run of points may begin before the first point or end after the last, and is then moved inside: so
        the ends are drawn no less often than the middle.
        """
        if count is None or count >= total:
            return None
        block, row = divmod(step, _block_size(count))
        return _block_of_points(self, stream, block, total, count, contiguous)[row]

    def noise(self, step: int, dim: int) -> Tensor:
        """(B, dim) standard normal."""
        block, row = divmod(step, _block_size(self.batch_size * dim))
        return _block_of_noise(self, block, dim)[row]

    def dropout_mask(self, step: int, probability: float) -> Tensor:
        """(B, 1) bool, True with a probability."""
        block, row = divmod(step, _block_size(self.batch_size))
        return _block_of_uniform(self, block)[row] < probability

    def step_seed(self, step: int) -> int:
        """Seed for whatever else a step draws."""
        block, row = divmod(step, MAX_BLOCK)
        return _block_of_seeds(self, block)[row]

    def generator(self, stream: str, number: int) -> torch.Generator:
        """Random numbers of an epoch or of a block of steps."""
        entropy = numpy.random.SeedSequence((self.seed, self.STREAMS[stream], number))
        return torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))


def _block_size(numbers: int) -> int:
    """Steps that are drawn together, if each takes so many numbers."""
    return max(1, min(MAX_BLOCK, MAX_NUMBERS // max(numbers, 1)))


@lru_cache(maxsize=4)
def _epoch_permutation(sampler: StepSampler, epoch: int) -> Tensor:
    return torch.randperm(sampler.num_signals, generator=sampler.generator("order", epoch))


@lru_cache(maxsize=8)
def _block_of_points(sampler: StepSampler, stream: str, block: int, total: int, count: int, contiguous: bool) -> Tensor:
    size, generator = _block_size(count), sampler.generator(stream, block)
    if contiguous:
        starts = torch.randint(1 - count, total, (size, 1), generator=generator)
        rows = starts.clamp(0, total - count) + torch.arange(count)
    else:
        rows = torch.stack([torch.randperm(total, generator=generator)[:count] for _ in range(size)])
    return rows.to(sampler.device)


@lru_cache(maxsize=2)
def _block_of_noise(sampler: StepSampler, block: int, dim: int) -> Tensor:
    size = _block_size(sampler.batch_size * dim)
    normal = torch.randn(size, sampler.batch_size, dim, generator=sampler.generator("noise", block))
    return normal.to(sampler.device)


@lru_cache(maxsize=2)
def _block_of_uniform(sampler: StepSampler, block: int) -> Tensor:
    size = _block_size(sampler.batch_size)
    uniform = torch.rand(size, sampler.batch_size, 1, generator=sampler.generator("dropout", block))
    return uniform.to(sampler.device)


@lru_cache(maxsize=2)
def _block_of_seeds(sampler: StepSampler, block: int) -> list[int]:
    seeds: list[int] = torch.randint(1 << 62, (MAX_BLOCK,), generator=sampler.generator("losses", block)).tolist()
    return seeds
