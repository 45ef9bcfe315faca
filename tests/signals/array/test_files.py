"""Arrays: folders of files, and recipes that outlive their data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from gonkit.errors import GonkitError
from gonkit.recipe import parse_recipe, recipe_from_dict
from signals.array import Array

RANDOM = numpy.random.default_rng(0)


def test_a_folder_of_one_signal_each_has_splits_and_classes(tmp_path: Path) -> None:
    for split, kinds in {"train": 4, "test": 2}.items():
        for kind in ("calm", "storm"):
            (tmp_path / split / kind).mkdir(parents=True)
            for number in range(kinds):
                numpy.save(tmp_path / split / kind / f"{number}.npy", RANDOM.normal(size=(2, 6, 8)))
    signal = Array(data=str(tmp_path), channels_axis=0, channel_names=["u", "v"])
    assert signal.grid().shape == (6, 8)
    data = signal.dataset("test")
    assert data.info.names_of(torch.arange(4)) == [f"test/{k}/{n}.npy" for k in ("calm", "storm") for n in range(2)]
    assert data.info.class_names == ("calm", "storm")
    file = tmp_path / "test" / "calm" / "0.npy"
    sample = signal.files.load(file)
    assert torch.equal(sample.values, data.batch(torch.arange(1)).values[0])
    written = signal.files.save(signal.to_object(signal.grid().unflatten(sample.values)), tmp_path.parent / "out")
    numpy.testing.assert_array_equal(numpy.load(written), numpy.load(file).astype(numpy.float32))
    numpy.save(tmp_path / "train" / "calm" / "0.npy", numpy.zeros((2, 6, 9)))
    with pytest.raises(GonkitError, match=r"calm.*npy: float64 of shape .* all signals of a folder must have one"):
        signal.dataset("train")


def test_files_of_another_shape_or_without_values_are_named(save: Callable[..., str], tmp_path: Path) -> None:
    signal = Array(data=save(RANDOM.normal(size=(9, 6, 8))))
    for array, message in (
        (numpy.zeros((8, 6)), r"an array of shape \(8, 6\); wanted \(6, 8\)"),
        (numpy.full((6, 8), numpy.nan), "no value in it was observed"),
        (numpy.full((6, 8), numpy.inf), "48 values are infinite"),
        (numpy.zeros((6, 8), complex), "real numbers are wanted"),
    ):
        numpy.save(tmp_path / "one.npy", array)
        with pytest.raises(GonkitError, match=rf"one.npy: .*{message}"):
            signal.files.load(tmp_path / "one.npy")
    (tmp_path / "one.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00")
    with pytest.raises(GonkitError, match=r"one\.npy: cannot be read"):
        signal.files.load(tmp_path / "one.npy")


def test_what_was_found_in_the_data_stays_with_the_recipe(save: Callable[..., str]) -> None:
    path = save(RANDOM.normal(size=(9, 6, 8, 3)))
    recipe = recipe_from_dict(
        {"name": "x", "signal": {"type": "signals.array:Array", "data": path, "axes": ["y", "x"]}}
    )
    Path(path).unlink()
    again = parse_recipe(recipe.toml())
    assert again.signal == recipe.signal
    assert again.signal.output_type.grid().shape == (6, 8)
    assert again.signal.output_type.value_range == recipe.signal.output_type.value_range
    with pytest.raises(GonkitError, match="no such"):
        again.signal.dataset("train")
