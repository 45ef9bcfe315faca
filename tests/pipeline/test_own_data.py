"""Signals in memory, as they are passed to `gonkit.train`."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch

from gonkit.data import InMemoryDataset, SubsetDataset
from gonkit.errors import GonkitError
from gonkit.pipeline.own_data import split_own_data
from tests.data.fields import Field

FIELD = Field(shape=[5, 7])
VALUES = torch.rand(20, 5, 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("data", [VALUES, VALUES.numpy(), {"values": VALUES}, list(VALUES.numpy())])
def test_arrays_are_split_at_random(data: Any) -> None:
    splits = split_own_data(FIELD, data)
    assert [len(part) for part in splits] == [16, 2, 2]
    rows = torch.cat([part.batch(torch.arange(len(part))).values for part in splits])
    assert torch.equal(rows.flatten(1).sort(0).values, VALUES.flatten(1).sort(0).values)


def test_words_and_numbers_are_labels_also_where_a_split_lacks_a_class() -> None:
    parts = {
        "train": {"values": VALUES[:10], "label": ["cat", "dog"] * 5},
        "val": {"values": VALUES[10:15], "label": ["dog"] * 5},
        "test": {"values": VALUES[15:], "label": ["eel"] * 5},
    }
    splits = split_own_data(FIELD, parts)
    assert {part.info.class_names for part in splits} == {("cat", "dog", "eel")}
    assert [part.info.labels.tolist()[:2] for part in splits if part.info.labels is not None] == [
        [0, 1],
        [1, 1],
        [2, 2],
    ]
    whole = split_own_data(FIELD, {"values": VALUES, "label": numpy.arange(20) % 2 + 5})
    assert whole.train.info.class_names == ("5", "6")


def test_masks_and_points_of_a_signal_s_own_are_kept() -> None:
    mask = VALUES > 0.1
    spoilt = VALUES.where(mask, torch.nan)
    for data in ({"values": spoilt}, {"values": VALUES, "mask": mask}):
        train = split_own_data(FIELD, data).train
        assert isinstance(train, SubsetDataset)
        batch = train.batch(torch.arange(16))
        assert batch.mask is not None
        assert torch.equal(batch.mask.view(16, 35), mask.flatten(1)[train.index])
    coords = torch.rand(20, 9, 2)
    own = split_own_data(FIELD, {"values": torch.rand(20, 9, 1), "coords": coords}).test
    assert own.batch(torch.arange(2)).coords.shape == (2, 9, 2)


def test_a_data_set_stays_as_it_is() -> None:
    dataset = split_own_data(FIELD, VALUES).train
    splits = split_own_data(FIELD, {"train": dataset, "val": VALUES[:3], "test": {"values": VALUES[3:]}})
    assert splits.train is dataset
    assert isinstance(splits.val, InMemoryDataset)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"train": VALUES, "val": VALUES}, "test missing"),
        ({"value": VALUES}, "of which values must be; no values"),
        ({"values": VALUES, "labels": [1]}, "unknown: labels"),
        ({"values": VALUES, "label": torch.rand(20)}, r"label must be \(N,\) whole numbers or words; got float32"),
        ({"values": VALUES, "mask": torch.ones(20, 6)}, r"mask must be \(20, 5, 7\) as values; got \(20, 6\)"),
        ({"values": VALUES, "label": [1, 2]}, r"label must be \(20,\); got \(2,\)"),
        (torch.rand(20, 5, 8), r"numbers of shape \(20, 5, 8\)"),
        (VALUES[:2], "2 signal"),
    ],
)
def test_what_is_no_data_set_is_refused(data: Any, message: str) -> None:
    with pytest.raises(GonkitError, match=message):
        split_own_data(FIELD, data)
