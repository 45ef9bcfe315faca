"""The signals of each step, whoever reads them."""

from __future__ import annotations

import pytest
import torch

from gonkit.batch import Batch
from gonkit.data import DatasetInfo, Grid, Pair, StreamingDataset
from gonkit.training import ProcessGroup, StepSampler, iterate_batches


def read(number: int) -> torch.Tensor:
    return torch.rand(16, 1, generator=torch.Generator().manual_seed(number))


@pytest.fixture
def dataset() -> StreamingDataset:
    info = DatasetInfo(labels=torch.arange(24) % 2, streams=True)
    return StreamingDataset(read, torch.arange(24) * 3, Grid.centers(4, 4), info)


@pytest.mark.slow
def test_workers_read_what_one_process_would(dataset: StreamingDataset) -> None:
    sampler = StepSampler(3, len(dataset), 6)
    alone, ahead = (list(iterate_batches(dataset, sampler, ProcessGroup(1, 2), 2, 9, workers)) for workers in (0, 2))
    assert [step for step, _ in ahead] == list(range(2, 10))
    for (step, a), (_, b) in zip(alone, ahead, strict=True):
        assert len(b.target) == 3
        for one, other in zip(a, b, strict=True):
            assert torch.equal(one.values, other.values)
            assert torch.equal(one.coords, other.coords)
            assert one.label is not None
            assert other.label is not None
            assert torch.equal(one.label, other.label)
        expected = dataset.batch(sampler.batch_indices(step)[3:])  # the second of two processes
        assert torch.equal(a.input.values, expected.values)


def test_inputs_and_targets_come_from_the_same_signals() -> None:
    class Doubled(StreamingDataset):
        def pair(self, index: torch.Tensor, *, evaluate: bool = False) -> Pair:
            batch = self.batch(index)
            return Pair(batch, Batch(batch.coords, 2 * batch.values))

    doubled = Doubled(read, torch.arange(10), Grid.centers(4, 4), DatasetInfo(streams=True))
    for _, (inputs, target) in iterate_batches(doubled, StepSampler(0, 10, 4), ProcessGroup(), 1, 3, 0):
        assert torch.equal(target.values, 2 * inputs.values)
