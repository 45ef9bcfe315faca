"""Data sets of signals: in memory, and parts of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from gonkit.batch import Batch
from gonkit.data import DatasetInfo, InMemoryDataset, Pair, SubsetDataset, evenly_spaced
from gonkit.errors import GonkitError


def labeled(count: int = 6) -> InMemoryDataset:
    torch.manual_seed(0)
    info = DatasetInfo([f"signal {i}" for i in range(count)], class_names=("even", "odd"), note="a note")
    return InMemoryDataset(Batch(torch.rand(4, 2), torch.rand(count, 4, 1), label=torch.arange(count) % 2), info)


def test_signals_are_read_by_their_numbers() -> None:
    dataset = labeled()
    index = torch.tensor([4, 1])
    batch = dataset.batch(index)
    assert torch.equal(batch.values, dataset.data.values[index])
    inputs, target = dataset.pair(index, evaluate=True)
    assert inputs is target
    assert torch.equal(target.values, batch.values)
    assert dataset.references(index) is dataset.inputs(index) is None
    assert dataset.transforms(index) == [None, None]
    assert dataset.baselines(index) == {}


def test_signals_in_memory_are_moved_to_a_device_that_holds_them() -> None:
    dataset = InMemoryDataset(Batch(torch.zeros(5, 2), torch.rand(7, 5, 1), label=torch.arange(7)))
    moved = dataset.to(torch.device("meta"))
    batch = moved.batch(torch.tensor([3, 1])).at_points(torch.tensor([0, 4]))
    assert {batch.coords.device.type, batch.values.device.type, batch.label.device.type} == {"meta"}  # type: ignore[union-attr]
    assert batch.values.shape == (2, 2, 1)
    assert dataset.data.values.device.type == "cpu"
    assert dataset.data.nbytes == 4 * 5 * 2 + 4 * 7 * 5 + 8 * 7


def test_labels_of_the_batch_are_those_of_the_set() -> None:
    assert labeled().info.labels is not None
    assert labeled().info.labels.tolist() == [0, 1, 0, 1, 0, 1]
    info = DatasetInfo(labels=torch.tensor([3, 4]))
    assert InMemoryDataset(Batch(torch.rand(4, 2), torch.rand(2, 4, 1)), info).info.labels is info.labels


def test_names_are_numbers_where_there_are_none() -> None:
    index = torch.tensor([2, 0])
    assert DatasetInfo().names_of(index) == ["2", "0"]
    assert DatasetInfo(["a", "b", "c"]).names_of(index) == ["c", "a"]
    assert [DatasetInfo(class_names=("x", "y")).class_name(label) for label in (1, 2)] == ["y", "2"]


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(GonkitError, match="the split is empty"):
        InMemoryDataset(Batch(torch.zeros(4, 2), torch.zeros(0, 4, 1)))


def test_values_that_are_not_finite_are_named_unless_masked() -> None:
    values = torch.zeros(3, 4, 1)
    values[1, 2] = torch.nan
    with pytest.raises(GonkitError, match=r"signal beta: .*not finite"):
        InMemoryDataset(Batch(torch.zeros(4, 2), values), DatasetInfo(["alpha", "beta", "gamma"]))
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1, 2] = False
    assert len(InMemoryDataset(Batch(torch.zeros(4, 2), values, mask))) == 3
    mask[1, 2] = True
    with pytest.raises(GonkitError, match="not finite"):
        InMemoryDataset(Batch(torch.zeros(4, 2), values, mask))


class Numbered(InMemoryDataset):
    """Answers every question with the numbers it was asked about."""

    def pair(self, index: torch.Tensor, *, evaluate: bool = False) -> Pair:
        batch = self.batch(index)
        return Pair(batch, self.batch(index + 1) if evaluate else batch)

    def references(self, index: torch.Tensor) -> list[Any]:
        return index.tolist()

    def inputs(self, index: torch.Tensor) -> Batch:
        return self.batch(index)

    def transforms(self, index: torch.Tensor) -> list[Any]:
        return index.tolist()

    def baselines(self, index: torch.Tensor) -> Mapping[str, torch.Tensor]:
        return {"number": index}


def test_a_subset_asks_the_whole_for_everything() -> None:
    whole = labeled()
    numbered = Numbered(whole.data, whole.info)
    subset = SubsetDataset(numbered, torch.tensor([4, 1, 3]))
    index = torch.tensor([2, 0])
    assert len(subset) == 3
    assert subset.info.names == ["signal 4", "signal 1", "signal 3"]
    assert subset.info.labels is not None
    assert subset.info.labels.tolist() == [0, 1, 1]
    assert (subset.info.class_names, subset.info.note) == (("even", "odd"), "a note")
    assert torch.equal(subset.batch(index).values, whole.data.values[[3, 4]])
    assert torch.equal(subset.pair(index, evaluate=True).target.values, whole.data.values[[4, 5]])
    assert torch.equal(subset.pair(index).target.values, whole.data.values[[3, 4]])
    expected = subset.pair(index, evaluate=True).input
    assert torch.equal(subset.evaluation_input(index).values, expected.values)
    assert subset.references(index) == subset.transforms(index) == [3, 4]
    inputs = subset.inputs(index)
    assert inputs is not None
    assert torch.equal(inputs.values, whole.data.values[[3, 4]])
    assert subset.baselines(index)["number"].tolist() == [3, 4]


@pytest.mark.parametrize(("count", "total"), [(3, 9), (5, 2), (7, 100), (0, 4), (4, 4)])
def test_evenly_spaced_numbers_are_distinct_and_begin_at_the_first(count: int, total: int) -> None:
    index = evenly_spaced(count, total)
    assert len(index) == len(index.unique()) == min(count, total)
    if len(index):
        assert index[0] == 0
        assert index[-1] < total
        assert index.diff().max().item() - index.diff().min().item() <= 1 if len(index) > 1 else True
