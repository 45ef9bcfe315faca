"""Whatever is to be encoded, as a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from gonkit.batch import Batch, Sample
from gonkit.errors import GonkitError
from gonkit.inference import as_batch
from tests.data.fields import Field

FIELD = Field(shape=[5, 7], channel_count=2)
VALUES = torch.rand(3, 35, 2, generator=torch.Generator().manual_seed(0))
DENSE = VALUES.view(3, 5, 7, 2)


@pytest.mark.parametrize(
    "numbers",
    [
        VALUES,
        DENSE,
        DENSE.movedim(-1, 1),
        DENSE.double().numpy(),
        list(VALUES),
        [one.numpy() for one in DENSE],
        [Sample(values) for values in VALUES],
        Batch(FIELD.grid().coords, VALUES),
    ],
)
def test_numbers_may_be_arranged_in_every_usual_way(numbers: Any) -> None:
    batch = as_batch(FIELD, numbers)
    torch.testing.assert_close(batch.values, VALUES)
    assert FIELD.on_grid(batch)
    assert batch.mask is None


@pytest.mark.parametrize("one", [VALUES[0], DENSE[0], DENSE[0].numpy(), Sample(VALUES[0]), [VALUES[0]]])
def test_one_signal_needs_no_first_axis(one: Any) -> None:
    torch.testing.assert_close(as_batch(FIELD, one).values, VALUES[:1])


def test_one_channel_needs_no_last_axis() -> None:
    field = Field(shape=[5, 7])
    for numbers in (DENSE[..., 0], VALUES[..., 0], VALUES[..., :1], DENSE[:, None, ..., 0]):
        torch.testing.assert_close(as_batch(field, numbers).values, VALUES[..., :1])
    whole = torch.randint(0, 2, (3, 35))
    assert as_batch(field, whole).values.dtype == torch.float32


def test_nan_is_not_observed() -> None:
    spoilt = VALUES.clone()
    spoilt[1, 4, 0] = torch.nan
    mask = as_batch(FIELD, spoilt).mask
    assert mask is not None
    assert (~mask).nonzero().tolist() == [[1, 4, 0]]
    assert as_batch(FIELD, list(spoilt)).mask is not None


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        (torch.rand(3, 36, 2), r"numbers of shape \(3, 36, 2\); Field takes \(B, 35, 2\) or \(B, 5, 7, 2\)"),
        (torch.rand(3, 35, 3), "Field takes"),
        (VALUES * 255, r"values from .* to 2[45]\d.*; Field takes those from -2 to 2: scale them"),
        (VALUES + torch.inf, "not finite"),
        (VALUES * 1j, "real numbers are wanted; got complex ones"),
        (Batch(FIELD.grid().coords, VALUES[..., :1]), "signals of 1 channels; Field has 2"),
        (Batch(FIELD.grid().coords, VALUES.long()), "floating-point numbers; got torch.int64"),
        (Batch(FIELD.grid().coords, VALUES * torch.nan), "not finite"),
        ([], "no signals were given"),
        ([VALUES], "a sequence of signals holds one each"),
        (["no/such.npy"], "signals of this type are not read from files"),
        ({"a": 1}, "a dict is no signal of this type"),
        (3.0, "a float is no signal of this type"),
    ],
)
def test_what_is_no_signal_is_refused(signals: Any, message: str) -> None:
    with pytest.raises(GonkitError, match=message):
        as_batch(FIELD, signals)


def test_a_path_needs_no_list(tmp_path: Path) -> None:
    from signals.array import Array

    numpy.save(tmp_path / "all.npy", DENSE.numpy().repeat(3, 0))
    numpy.save(tmp_path / "one.npy", DENSE[0].numpy())
    array = Array(data=str(tmp_path / "all.npy"))
    for path in (tmp_path / "one.npy", str(tmp_path / "one.npy"), [tmp_path / "one.npy"]):
        torch.testing.assert_close(as_batch(array, path).values, VALUES[:1])
