"""Sets that are read while training: the same signals, whoever fetches them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy
import pytest
import torch
from PIL import Image as pillow
from safetensors.torch import load_file

from gonkit.cli import main as use
from gonkit.draws import Draws
from gonkit.feeding import feed
from gonkit.ranks import Ranks
from gonkit.run import main as run
from gonkit.signal import SignalError
from gonkit.streaming import Rows, Streamed
from signals.image import Image

Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = numpy.random.default_rng(0)
    for number in range(30):
        place = tmp_path / "pictures" / ("even" if number % 2 == 0 else "odd") / f"{number:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(generator.integers(0, 255, (12, 10, 3), dtype=numpy.uint8)).save(place)
    return tmp_path / "pictures"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "pictures.h5"
    with h5py.File(path, "w") as file:
        file["values"] = numpy.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=numpy.uint8)
        file["label"] = numpy.arange(40) % 3
    return path


def test_a_streamed_folder_is_the_folder(folder: Path) -> None:
    resident, streamed = (Image(data=str(folder), size=8, stream=stream).dataset("train") for stream in (False, True))
    assert not resident.streamed
    assert streamed.streamed
    assert len(streamed) == len(resident) == 24
    index = torch.tensor([5, 0, 17])
    one, other = resident.batch(index), streamed.batch(index)
    assert torch.equal(one.values, other.values)
    assert one.label is not None
    assert torch.equal(one.label, other.label)  # type: ignore[arg-type]
    assert streamed.names(index) == resident.names(index)
    assert streamed.classes == resident.classes == ("even", "odd")


def test_workers_fetch_what_one_process_would(folder: Path) -> None:
    train = Image(data=str(folder), size=8, stream=True).dataset("train")
    draws = Draws(3, len(train), 6)
    alone, fetched = (list(feed(train, draws, Ranks(1, 2), 2, 9, workers)) for workers in (0, 2))
    assert [step for step, _ in fetched] == list(range(2, 10))
    for (_, (one, _)), (_, (other, _)) in zip(alone, fetched, strict=True):
        assert len(one) == 3
        assert torch.equal(one.values, other.values)


def test_a_streamed_run_is_the_run(recipe: Write, folder: Path, tmp_path: Path) -> None:
    settings = f'data = "{folder}"\nsize = 8\nstream = '
    weights = []
    for stream in ("false", "true"):
        path = recipe(('data = "digits"', settings + stream), name=f"{stream}.toml")
        assert run([str(path), "--out", str(tmp_path / stream), "--quiet"]) == 0
        weights.append(load_file(tmp_path / stream / "checkpoint.safetensors"))
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_pictures_of_an_hdf5_file(rows: Path, recipe: Write, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [Image(data=str(rows), colour="grey", size=8).dataset(split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [32, 4, 4]
    with h5py.File(rows, "r") as file:
        expected = torch.from_numpy(file["values"][int(parts[0].names(torch.tensor([3]))[0])]).float() / 255
    torch.testing.assert_close(parts[0].batch(torch.tensor([3])).values.view(8, 8), expected)
    labels = parts[0].labels()
    assert labels is not None
    assert parts[0].classes == ("0", "1", "2")
    path = recipe(('data = "digits"', f'data = "{rows}"\ncolour = "grey"\nsize = 8'))
    assert use(["bench", "data", str(path), "--rounds", "2"]) == 0
    assert "fetched_over_needed" in capsys.readouterr().out


def test_what_is_wrong_with_a_file_is_said(rows: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SignalError, match=r"no dataset 'pixels' in it; there are label, values"):
        Rows(rows, "pixels")
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"no")
    with pytest.raises(SignalError, match="cannot be read as an HDF5 file"):
        Image(data=str(broken)).dataset("train")
    with h5py.File(tmp_path / "floats.h5", "w") as file:
        file["values"] = numpy.zeros((9, 4, 4), numpy.float32)
    with pytest.raises(SignalError, match=r"must be \(N, H, W\) .* of eight bits"):
        Image(data=str(tmp_path / "floats.h5")).dataset("train")
    (folder / "even" / "99.png").write_bytes(b"no picture")
    with pytest.raises(SignalError, match=r"1 of 31 pictures cannot be read"):
        Image(data=str(folder), stream=True).dataset("train")
    bad = Streamed(lambda number: torch.full((4, 1), float("nan")), torch.arange(3), torch.zeros(4, 2))
    with pytest.raises(SignalError, match="signal 1: values that are not finite"):
        bad.batch(torch.tensor([1]))
