"""Sets that are read while training: the same signals, whoever fetches them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy
import pytest
import soundfile
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
from signals.audio import Audio
from signals.audiofile import read_audio, read_stretch, resampled_length
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


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 8000), (44100, 8000), (8000, 11025)])
def test_a_stretch_of_a_recording_is_that_part_of_it(tmp_path: Path, rate: int, wanted: int) -> None:
    path = tmp_path / "noise.wav"
    soundfile.write(path, numpy.random.default_rng(0).uniform(-0.5, 0.5, (rate, 2)), rate)
    whole = read_audio(path, wanted)
    assert resampled_length(path, wanted) == len(whole)
    for start, count in ((0, 300), (1234, 500), (len(whole) - 100, 100), (len(whole) - 100, 400)):
        expected = torch.nn.functional.pad(whole[start : start + count], (0, max(0, start + count - len(whole))))
        assert torch.allclose(read_stretch(path, start, count, wanted), expected, atol=1e-6)


@pytest.mark.parametrize("windows", [False, True])
def test_streamed_recordings_are_the_recordings(tmp_path: Path, windows: bool) -> None:
    generator = numpy.random.default_rng(0)
    for number in range(12):
        place = tmp_path / "sounds" / ("high" if number % 2 == 0 else "low") / f"{number}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place, generator.uniform(-0.5, 0.5, 200 + 150 * number), 16000)
    settings = {"data": str(tmp_path / "sounds"), "rate": 8000, "length": 256, "windows": windows}
    for split in ("train", "test"):
        resident, streamed = (Audio(**settings, stream=stream).dataset(split) for stream in (False, True))  # type: ignore[arg-type]
        assert streamed.streamed
        index = torch.arange(len(resident))
        assert streamed.names(index) == resident.names(index)
        assert torch.allclose(streamed.batch(index).values, resident.batch(index).values, atol=1e-6)
        assert torch.equal(streamed.labels(), resident.labels())  # type: ignore[arg-type]


def test_what_streams_is_checked_too(tmp_path: Path) -> None:
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", numpy.full(500, 0.1 * number + 0.1), 8000)
    (tmp_path / "4.wav").write_bytes((tmp_path / "0.wav").read_bytes()[:600])
    sounds = Audio(data=str(tmp_path), length=256, stream=True)
    with pytest.raises(SignalError, match=r"4\.wav: cut short"):
        sounds.dataset("train")
    (tmp_path / "4.wav").unlink()
    soundfile.write(tmp_path / "5.wav", numpy.full(500, numpy.nan), 8000, subtype="FLOAT")
    splits = [sounds.dataset(split) for split in ("train", "val", "test")]
    everything = torch.arange(5)
    (part,) = [part for part in splits if str(tmp_path / "5.wav") in part.names(everything[: len(part)])]
    with pytest.raises(SignalError, match=r"5\.wav: .* not finite"):
        part.batch(everything[: len(part)])


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
    parts = [Image(data=str(rows), color="gray", size=8).dataset(split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [32, 4, 4]
    with h5py.File(rows, "r") as file:
        expected = torch.from_numpy(file["values"][int(parts[0].names(torch.tensor([3]))[0])]).float() / 255
    torch.testing.assert_close(parts[0].batch(torch.tensor([3])).values.view(8, 8), expected)
    labels = parts[0].labels()
    assert labels is not None
    assert parts[0].classes == ("0", "1", "2")
    path = recipe(('data = "digits"', f'data = "{rows}"\ncolor = "gray"\nsize = 8'))
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
    with pytest.raises(SignalError, match=r"1 of 31 pictures cannot be used"):
        Image(data=str(folder), stream=True).dataset("train")
    bad = Streamed(lambda number: torch.full((4, 1), float("nan")), torch.arange(3), torch.zeros(4, 2))
    with pytest.raises(SignalError, match="signal 1: values that are not finite"):
        bad.batch(torch.tensor([1]))
