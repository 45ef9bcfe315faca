"""Data sets that are read from files when they are needed: the same signals, checked as they are read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy
import pytest
import torch
from PIL import Image as pillow
from safetensors.torch import load_file

from gonkit.cli import main
from gonkit.data import DatasetInfo, Grid, HDF5Rows, StreamingDataset
from gonkit.errors import GonkitError
from gonkit.run import main as run


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "pictures.h5"
    with h5py.File(path, "w") as file:
        file["values"] = numpy.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=numpy.uint8)
        file["label"] = numpy.arange(40) % 3
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = numpy.random.default_rng(0)
    for number in range(30):
        path = tmp_path / "pictures" / ("even" if number % 2 == 0 else "odd") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(generator.integers(0, 255, (12, 10, 3), dtype=numpy.uint8)).save(path)
    return tmp_path / "pictures"


def streamed(read: Callable[[int], torch.Tensor], *index: int, info: DatasetInfo | None = None) -> StreamingDataset:
    return StreamingDataset(read, torch.tensor(index), Grid.centers(2, 2), info or DatasetInfo(streams=True))


def test_signals_are_read_by_their_numbers() -> None:
    read_numbers = []

    def read(number: int) -> torch.Tensor:
        read_numbers.append(number)
        return torch.full((4, 1), float(number))

    info = DatasetInfo(["a", "b", "c"], torch.tensor([0, 1, 1]), ("x", "y"), streams=True)
    dataset = streamed(read, 7, 3, 5, info=info)
    assert len(dataset) == 3
    assert not read_numbers
    batch = dataset.batch(torch.tensor([2, 0]))
    assert read_numbers == [5, 7]
    assert batch.values[:, 0, 0].tolist() == [5, 7]
    assert batch.label is not None
    assert batch.label.tolist() == [1, 0]
    assert torch.equal(batch.coords, Grid.centers(2, 2).coords)


def test_values_that_are_not_finite_are_named() -> None:
    dataset = streamed(lambda number: torch.full((4, 1), float("nan" if number == 1 else 0)), 0, 1, 2)
    assert len(dataset.batch(torch.tensor([0, 2]))) == 2
    with pytest.raises(GonkitError, match="signal 1: values that are not finite"):
        dataset.batch(torch.tensor([0, 1]))


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(GonkitError, match="the split is empty"):
        StreamingDataset(lambda number: torch.zeros(4, 1), torch.arange(0), Grid.centers(4), DatasetInfo(streams=True))


def test_rows_of_an_hdf5_file(rows: Path) -> None:
    stored = HDF5Rows(rows, "values")
    assert stored.shape == (40, 8, 8)
    assert stored.dtype == numpy.uint8
    with h5py.File(rows, "r") as file:
        expected = file["values"][:]
    assert (stored[7] == expected[7]).all()
    copy = pickle.loads(pickle.dumps(stored))  # as for a worker process, which opens the file for itself
    assert (copy[39] == expected[39]).all()
    assert (stored[0] == expected[0]).all()


def test_mistakes_in_an_hdf5_file_are_named(rows: Path, tmp_path: Path) -> None:
    with pytest.raises(GonkitError, match=r"no dataset 'pixels' in it; there are label, values"):
        HDF5Rows(rows, "pixels")
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"no")
    with pytest.raises(GonkitError, match="cannot be read as an HDF5 file"):
        HDF5Rows(broken, "values")
    with pytest.raises(GonkitError, match=r"nowhere\.h5: cannot be read as an HDF5 file"):
        HDF5Rows(tmp_path / "nowhere.h5", "values")


@pytest.mark.slow
def test_a_streamed_run_gives_the_same_network(recipe: Callable[..., Path], folder: Path, tmp_path: Path) -> None:
    settings = f'data = "{folder}"\nsize = 8\nstream = '
    weights = []
    for stream in ("false", "true"):
        path = recipe(('data = "digits"', settings + stream), name=f"{stream}.toml")
        assert run([str(path), "--out", str(tmp_path / stream), "--quiet"]) == 0
        weights.append(load_file(tmp_path / stream / "checkpoint.safetensors"))
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.slow
def test_streaming_can_be_timed(rows: Path, recipe: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = recipe(('data = "digits"', f'data = "{rows}"\ncolor = "gray"\nsize = 8'))
    assert main(["bench", "data", str(path), "--rounds", "2"]) == 0
    assert "fetched_over_needed" in capsys.readouterr().out
