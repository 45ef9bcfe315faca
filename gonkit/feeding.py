"""The signals of each step, fetched ahead by worker processes where they lie in files."""

from __future__ import annotations

__all__ = ["feed"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset

from gonkit.draws import Draws
from gonkit.ranks import Ranks
from gonkit.signal import Batch, SignalSet

AHEAD = 4  # steps that each worker fetches ahead
Pair = tuple[Batch, Batch]


@dataclass(frozen=True)
class _Steps(Dataset[Pair]):
    """Step → its signals, as observed and as wanted. A function of the step alone, whoever calls it."""

    signals: SignalSet
    draws: Draws
    ranks: Ranks

    def __getitem__(self, step: int) -> Pair:
        return self.signals.pair(self.ranks.share(self.draws.signals(step)))


def feed(
    signals: SignalSet, draws: Draws, ranks: Ranks, first: int, last: int, workers: int
) -> Iterator[tuple[int, Pair]]:
    """Steps from `first` to `last`, each with this process's signals.

    Args:
        signals: the training set.
        draws: which signals a step takes.
        ranks: among which they are shared out.
        first: step.
        last: step.
        workers: processes that fetch ahead where signals are streamed; 0 for none.
    """
    steps = _Steps(signals, draws, ranks)
    order = range(first, last + 1)
    if not (workers and signals.streamed):
        yield from ((step, steps[step]) for step in order)
        return
    loader = DataLoader(
        steps, batch_size=None, sampler=order, num_workers=workers, prefetch_factor=AHEAD, collate_fn=_as_it_is
    )
    yield from zip(order, loader, strict=True)


def _as_it_is(pair: Any) -> Any:
    return pair
