"""Arrays: layouts, files, splits, classes, missing values, ranges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from pydantic import ValidationError

from gonkit.batch import Batch
from gonkit.data import InMemoryDataset, StreamingDataset
from gonkit.errors import GonkitError
from signals.array import Array, Layout
from signals.array import signal as module

RANDOM = numpy.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "settings", "grid", "channels"),
    [
        ((12, 50), {}, (50,), 1),
        ((12, 50, 2), {}, (50,), 2),
        ((12, 7, 50), {"axes": ["time"], "channels_axis": 1}, (50,), 7),
        ((12, 50, 7), {"axes": ["time"]}, (50,), 7),
        ((12, 6, 8), {}, (6, 8), 1),
        ((12, 6, 8, 3), {}, (6, 8), 3),
        ((12, 3, 6, 8), {"channels_axis": 1}, (6, 8), 3),
        ((12, 3, 6, 8), {"axes": ["z", "y", "x"]}, (3, 6, 8), 1),
        ((12, 5, 6, 8, 5), {"axes": ["t", "z", "y", "x"]}, (5, 6, 8, 5), 1),
        ((12, 5, 6, 8, 5, 2), {}, (5, 6, 8, 5), 2),
    ],
)
def test_layouts_are_read_and_written_back(
    save: Callable[..., str], shape: tuple[int, ...], settings: dict[str, Any], grid: tuple[int, ...], channels: int
) -> None:
    array = RANDOM.normal(size=shape)
    signal = Array(data=save(array), **settings)
    assert signal.grid().shape == grid
    assert signal.channels == channels
    data = signal.dataset("test")
    number = int(data.info.names_of(torch.arange(1))[0])
    values = data.batch(torch.arange(1)).values
    assert values.shape == (1, len(signal.grid()), channels)
    back = signal.to_object(signal.grid().unflatten(values[0]))
    numpy.testing.assert_array_equal(back, array[number].astype(numpy.float32))
    picture = signal.preview(back)
    assert picture.size == signal.preview(0 * back).size
    assert min(picture.size) >= 16


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((12,), {}, r"wanted \(N, \*grid\)"),
        ((12, 3, 6, 8), {}, r"3 channels or an axis of 3 points: say channels_axis = 1 .* or name the axes"),
        ((12, 6, 8), {"axes": ["a", "b", "c"]}, "3 names, a, b, c, for a signal of shape"),
        ((12, 6, 8), {"channels_axis": 0}, "axis 0 numbers the signals"),
        ((12, 6, 8), {"channels_axis": 3}, "no such axis"),
        ((12, 5, 5, 5, 5, 5), {}, "1 to 4 axes beside channels"),
        ((12, 0), {}, "no values"),
        ((2, 6, 8), {}, "at least 3 are needed"),
    ],
)
def test_shapes_that_could_be_misread_are_refused_by_name(
    save: Callable[..., str], shape: tuple[int, ...], settings: dict[str, Any], message: str
) -> None:
    path = save(numpy.zeros(shape))
    with pytest.raises(ValueError, match=message) as caught:
        Array(data=path, **settings)
    assert path in str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".zarr"])
def test_files_of_several_arrays_have_labels_and_splits_beside_them(save: Callable[..., str], suffix: str) -> None:
    array = RANDOM.normal(size=(12, 6, 8)).astype(numpy.float32)
    label, split = numpy.arange(12) % 3 - 1, numpy.array([0] * 8 + [1] * 2 + [2] * 2)
    signal = Array(data=save(array, suffix, label=label, split=split))
    for name, rows in (("train", range(8)), ("val", range(8, 10)), ("test", range(10, 12))):
        data = signal.dataset(name)  # type: ignore[arg-type]
        assert data.info.class_names == ("-1", "0", "1")
        assert torch.equal(
            data.batch(torch.arange(len(data))).values[..., 0], torch.tensor(array[rows].reshape(-1, 48))
        )
        assert data.info.labels is not None
        assert data.info.labels.tolist() == [n % 3 for n in rows]
    with pytest.raises(GonkitError, match=r"no array 'kind' in it; there are .*label"):
        Array(data=signal.data, label="kind").dataset("train")


def test_words_label_and_divide_signals(save: Callable[..., str], tmp_path: Path) -> None:
    words = numpy.array(["train", "val", "test", "train"])
    signal = Array(
        data=save(numpy.zeros((4, 9)) + numpy.arange(9), ".h5", "field", split=words, kind=words), label="kind"
    )
    assert [len(signal.dataset(split)) for split in ("train", "val", "test")] == [2, 1, 1]
    assert signal.dataset("val").info.class_names == ("test", "train", "val")
    numpy.save(tmp_path / "kinds.npy", words)
    beside = Array(data=save(numpy.zeros((4, 9))), split="kinds.npy", label="kinds.npy")
    assert [len(beside.dataset(split)) for split in ("train", "val", "test")] == [2, 1, 1]
    with pytest.raises(ValueError, match="split: got 'x'; wanted train, val or test"):
        Array(data=save(numpy.zeros((4, 9)), ".npz", split=numpy.array(["train", "x", "val", "test"])))
    with pytest.raises(GonkitError, match=r"label: wanted \(4,\) whole numbers or words; got float64 \(4, 2\)"):
        Array(data=save(numpy.zeros((4, 9)), ".npz", label=numpy.zeros((4, 2)))).dataset("train")


def test_a_key_is_needed_where_there_are_several_arrays(save: Callable[..., str]) -> None:
    path = save(numpy.zeros((9, 5)), ".npz", "u", v=numpy.ones((9, 5)))
    with pytest.raises(ValueError, match=r"several arrays: choose one by signal.key; there are u, v"):
        Array(data=path)
    with pytest.raises(ValueError, match=r"no array 'w' in it"):
        Array(data=path, key="w")
    assert Array(data=path, key="v").value_range == (0.5, 1.5)


def test_nan_and_a_missing_value_are_not_observed(save: Callable[..., str]) -> None:
    array = RANDOM.normal(size=(20, 6, 8, 2))
    array[3, 2, 2, 0], array[:, 0, 0] = numpy.nan, -9999
    signal = Array(data=save(array), missing=-9999)
    data = signal.dataset("train")
    assert isinstance(data, InMemoryDataset)
    mask = data.data.mask
    assert mask is not None
    assert mask.shape == data.data.values.shape
    assert not mask[:, 0].any()
    assert mask[:, 1:].float().mean() > 0.99
    assert -6 < signal.value_range[0] < signal.value_range[1] < 6
    spoilt = array.copy()
    spoilt[5:, 1, 1] = numpy.inf
    with pytest.raises(GonkitError, match=r"signal \d+: values that are not finite"):
        Array(data=save(spoilt), missing=-9999).dataset("train")


def test_large_arrays_are_streamed_and_small_ones_kept(
    save: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    array = RANDOM.normal(size=(20, 30))
    array[4:9, 3] = numpy.nan
    signal = Array(data=save(array))
    kept = signal.dataset("train")
    monkeypatch.setattr(module, "MAX_RESIDENT", 100)
    streamed = signal.dataset("train")
    assert isinstance(streamed, StreamingDataset)
    assert streamed.info.streams
    assert not kept.info.streams
    one, other = (data.batch(torch.arange(len(data))) for data in (kept, streamed))
    torch.testing.assert_close(one.values, other.values, equal_nan=True)
    assert one.mask is not None
    assert other.mask is not None
    assert torch.equal(one.mask, other.mask)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float64", "bool", ">f4"])
def test_numbers_of_every_kind_are_read(save: Callable[..., str], dtype: str) -> None:
    array = (RANDOM.uniform(0, 2, (9, 5))).astype(dtype)
    data = Array(data=save(array)).dataset("train")
    batch = data.batch(torch.arange(len(data)))
    rows = [int(name) for name in data.info.names or ()]
    numpy.testing.assert_array_equal(batch.values[..., 0].numpy(), array[rows].astype(numpy.float32))


@pytest.mark.parametrize("array", [numpy.zeros((9, 5), complex), numpy.array([["a", "b"]] * 9)])
def test_what_is_no_real_number_is_refused(save: Callable[..., str], array: Any) -> None:
    with pytest.raises(ValueError, match="real numbers are wanted"):
        Array(data=save(array))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    numpy.save(tmp_path / "objects.npy", numpy.array([{"a": 1}] * 9, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"objects.npy: cannot be read as .npy"):
        Array(data=str(tmp_path / "objects.npy"))


def test_data_of_another_shape_than_the_recipe_says_are_refused(save: Callable[..., str]) -> None:
    signal = Array(data=save(numpy.zeros((9, 6, 8))))
    save(numpy.zeros((9, 7, 8)))
    with pytest.raises(GonkitError, match=r"signals of shape \(7, 8\); wanted \(6, 8\)"):
        signal.dataset("train")


def test_ranges_are_measured_or_given_for_all_channels_or_each(save: Callable[..., str]) -> None:
    array = numpy.stack((RANDOM.uniform(0, 1, (40, 9)), RANDOM.uniform(900, 1100, (40, 9))), -1)
    path = save(array)
    signal = Array(data=path)
    assert 900 < signal.ranges[1][0] < signal.ranges[1][1] < 1100
    assert signal.value_range == (signal.ranges[0][0], signal.ranges[1][1])
    assert Array(data=path, value_range=(0.0, 2e3)).ranges == [(0.0, 2e3)] * 2
    assert Array(data=path, value_range=[(0.0, 1.0), (5.0, 6.0)]).value_range == (0.0, 6.0)
    with pytest.raises(ValidationError, match="3 ranges for 2 channels"):
        Array(data=path, value_range=[(0.0, 1.0)] * 3)
    with pytest.raises(ValidationError, match="the lowest value comes first"):
        Array(data=path, value_range=(2.0, 1.0))
    with pytest.raises(ValidationError, match="1 names for 2 channels"):
        Array(data=path, channel_names=["temperature"])


def test_any_resolution_along_each_axis() -> None:
    signal = Array()
    assert signal.grid(48).shape == (48, 96)
    assert signal.resized([10, 7]).grid().shape == (10, 7)
    with pytest.raises(GonkitError, match="one for each axis, latitude × longitude"):
        signal.resized([10])


def test_metrics_of_each_channel_in_its_own_unit() -> None:
    values = torch.zeros(2, 4, 3)
    prediction = values + torch.tensor([1.0, 2.0, 3.0])
    metrics = module.ArrayMeasures(["a", "b", "c"]).metrics()
    assert {name: metric(prediction, values).tolist() for name, metric in metrics.items()} == {
        "rmse_a": [1, 1],
        "rmse_b": [2, 2],
        "rmse_c": [3, 3],
    }


def test_the_embedded_fields_have_land() -> None:
    data = Array().dataset("test")
    assert isinstance(data, InMemoryDataset)
    mask = data.data.mask
    assert mask is not None
    assert torch.equal(mask, mask[:1].expand_as(mask))
    low, high = Array().value_range
    observed = data.data.values[mask]
    assert low - 8 < observed.min() < observed.max() < high + 8
    assert observed.std() > 5


def test_layouts_count_channels_from_the_end() -> None:
    layout = Layout((6, 8), -3, 2)
    assert layout.array_shape == (2, 6, 8)
    array = RANDOM.normal(size=(2, 6, 8))
    assert layout.to_values(array).shape == (48, 2)
    numpy.testing.assert_array_equal(layout.to_array(layout.to_dense(array)), array)


def test_batches_lie_on_the_grid() -> None:
    signal = Array()
    assert signal.on_grid(signal.dataset("val").batch(torch.arange(2)))
    assert not signal.on_grid(Batch(torch.zeros(3, 2), torch.zeros(1, 3, 1)))
