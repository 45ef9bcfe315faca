"""The signals of each step, read ahead by worker processes where they are streamed from files."""

from __future__ import annotations

__all__ = ["iterate_batches"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset

from gonkit.data import Pair, SignalDataset
from gonkit.training.distributed import ProcessGroup
from gonkit.training.sampler import StepSampler

PREFETCH_STEPS = 4  # of each worker


def iterate_batches(
    dataset: SignalDataset, sampler: StepSampler, group: ProcessGroup, first: int, last: int, workers: int
) -> Iterator[tuple[int, Pair]]:
    """Yields the steps from `first` to `last`, each with this process's signals.

    Args:
        dataset: the training set.
        sampler: which signals a step uses.
        group: of the processes among which they are sharded.
        first: step.
        last: step.
        workers: processes that read ahead if signals are streamed; 0 for none.
    """
    steps = _StepDataset(dataset, sampler, group)
    order = range(first, last + 1)
    if not (workers and dataset.info.streams):
        yield from ((step, steps[step]) for step in order)
        return
    loader = DataLoader(
        steps, batch_size=None, sampler=order, num_workers=workers, prefetch_factor=PREFETCH_STEPS, collate_fn=_identity
    )
    yield from zip(order, loader, strict=True)


@dataclass(frozen=True)
class _StepDataset(Dataset[Pair]):
    """Maps a step to its signals, in whichever process it is asked."""

    dataset: SignalDataset
    sampler: StepSampler
    group: ProcessGroup

    def __getitem__(self, step: int) -> Pair:
        return self.dataset.pair(self.group.shard(self.sampler.batch_indices(step)))


def _identity(pair: Any) -> Any:
    return pair
