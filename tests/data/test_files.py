"""Files of signal types that write no class for them: arrays, and pictures of them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy
import pytest
import torch
from PIL import Image as pillow

from gonkit.batch import Sample
from gonkit.data import BufferedWriter, SignalFiles, SignalReader
from gonkit.errors import GonkitError
from tests.data.fields import Field


def some_object(signal: Field) -> numpy.ndarray:
    (obj, *_) = signal.to_objects(signal.dataset("test").data.values)
    return obj


def test_an_object_is_saved_as_an_array_or_as_its_preview(tmp_path: Path) -> None:
    signal = Field()
    obj = some_object(signal)
    path = signal.files.save(obj, tmp_path / "field.1")
    assert path == tmp_path / "field.1.npy"
    assert numpy.array_equal(numpy.load(path), obj)
    picture = signal.files.save(obj, tmp_path / "field.1", ".png")
    assert picture == tmp_path / "field.1.png"
    assert pillow.open(picture).tobytes() == signal.preview(obj).tobytes()
    assert {file.name for file in tmp_path.iterdir()} == {"field.1.npy", "field.1.png"}


def test_an_object_that_cannot_be_saved_leaves_the_old_file(tmp_path: Path) -> None:
    signal = Field()
    path = signal.files.save(some_object(signal), tmp_path / "field")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="pickle"):
        signal.files.save([object()], tmp_path / "field")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["field.npy"]


def test_by_default_files_are_not_read(tmp_path: Path) -> None:
    files = Field().files
    assert files.read_suffixes == frozenset()
    with pytest.raises(GonkitError, match=r"mine\.npy: signals of this type are not read from files"):
        files.load(tmp_path / "mine.npy")
    with pytest.raises(GonkitError, match=r"not read from files"):
        files.inspect(tmp_path / "mine.npy")
    assert files.open(tmp_path / "mine.npy") is None


class Rows(SignalReader):
    """A tall field, read row by row."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values, self.shape, self.resolution, self.row = values, tuple(values.shape[:-1]), 6, 0

    def read(self, count: int) -> torch.Tensor:
        self.row += count
        return self.values[None, self.row - count : self.row]


@pytest.mark.parametrize("suffix", [None, ".png"])
def test_segments_are_collected_and_saved_as_one_object(suffix: str | None, tmp_path: Path) -> None:
    signal, values = Field(), torch.rand(11, 8, 1, generator=torch.Generator().manual_seed(0))
    reader = Rows(values)
    writer = signal.files.create(tmp_path / "out", reader, 6, suffix)
    for count in (4, 1, 6):
        writer.write(reader.read(count))
    path = writer.close()
    if suffix is None:
        assert numpy.array_equal(numpy.load(path), values.numpy())
    else:
        assert pillow.open(path).size == (8, 11)


def test_an_aborted_writer_saves_nothing() -> None:
    saved: list[torch.Tensor] = []

    def save(values: torch.Tensor) -> Path:
        saved.append(values)
        return Path("out")

    writer = BufferedWriter(save)
    writer.write(torch.zeros(1, 3, 1))
    writer.abort()
    assert not saved
    assert not writer.parts


class TextFiles(SignalFiles):
    """Fields as text."""

    read_suffixes: ClassVar[frozenset[str]] = frozenset({".txt"})
    write_suffixes: ClassVar[tuple[str, ...]] = (".txt", ".float.txt")

    def load(self, path: Path) -> Sample:
        try:
            values = torch.from_numpy(numpy.loadtxt(path, ndmin=2)).float()
        except ValueError as error:
            raise GonkitError(f"{path}: no numbers: {error}") from None
        return Sample(values.reshape(-1, 1), name=path.stem)


def test_a_readable_file_is_good_and_paths_end_in_the_type_s_suffixes(tmp_path: Path) -> None:
    files = TextFiles(lambda values, resolution: values, Field().preview)
    (tmp_path / "good.txt").write_text("1 2\n3 4\n")
    assert files.inspect(tmp_path / "good.txt") == {"verdict": "good"}
    (tmp_path / "bad.txt").write_text("one two")
    with pytest.raises(GonkitError, match=r"bad\.txt: no numbers"):
        files.inspect(tmp_path / "bad.txt")
    assert files.path(tmp_path / "a.b") == tmp_path / "a.b.txt"
    assert files.path(tmp_path / "a.b", ".float.txt") == tmp_path / "a.b.float.txt"
