"""Files are complete or as they were before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gonkit.data import files_in
from gonkit.errors import DamagedFileError, GonkitError
from gonkit.files import atomic_path, read_tensors, write_bytes, write_json, write_tensors


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_replaces_the_old_one_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "notes.txt"
    write_bytes(path, b"old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
    assert contents(path.parent) == {"notes.txt": b"new"}


@pytest.mark.parametrize("name", ["latents.npz", "sound.float.wav", ".hidden.png"])
def test_the_temporary_name_keeps_the_suffix(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with atomic_path(path) as temporary:
        assert temporary.suffix == path.suffix
        temporary.write_bytes(b"")
    assert contents(tmp_path) == {name: b""}


def test_an_exception_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_bytes(path, b"old")

    def write_half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    with pytest.raises(TypeError):
        write_bytes(path, "no bytes")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError), atomic_path(path):
        pass  # nothing was written
    assert contents(tmp_path) == {"file.txt": b"old"}


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with atomic_path(path) as first:
        with atomic_path(path) as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert path.read_text() == "second"
    assert contents(tmp_path) == {"file.txt": b"first"}


KILLED = """
import os, signal, sys
from pathlib import Path
from gonkit.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of the n")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_bytes(path, b"old")
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode < 0
    assert path.read_bytes() == b"old"
    assert files_in(tmp_path, {".txt"}, "texts") == [path]  # the hidden rest is not taken for data
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_json_is_indented(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, 2.5]})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"b": [1, 2.5]}
    assert text.startswith('{\n  "b"')


def test_tensors_and_metadata_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    whole = torch.arange(1000, dtype=torch.float64)
    views = {"a": torch.arange(1000), "rows": whole.view(10, 100)[::2].T, "same": whole, "bool": whole > 7}
    write_tensors(path, views, {"step": 3, "names": ["x", "y"]})
    tensors, metadata = read_tensors(path)
    assert tensors.keys() == views.keys()
    assert all(torch.equal(tensors[key], views[key]) for key in views)
    assert metadata == {"step": 3, "names": ["x", "y"]}


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"a": torch.arange(1000)}, {"step": 3})
    path.write_bytes(path.read_bytes()[:500])
    for wrong in (path, tmp_path / "none", tmp_path):
        with pytest.raises(GonkitError, match=str(wrong)):
            read_tensors(wrong)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(GonkitError, match="cannot be read as a file that gonkit wrote"):
        read_tensors(tmp_path / "model.safetensors")


def test_the_old_file_is_kept_where_that_is_asked(tmp_path: Path) -> None:
    path, old = tmp_path / "new", tmp_path / "old"
    for content in (b"1", b"2", b"3"):
        write_bytes(path, content, old)
    assert contents(tmp_path) == {"new": b"3", "old": b"2"}


def test_equal_tensors_and_metadata_give_equal_bytes(tmp_path: Path) -> None:
    tensors = {"b": torch.arange(5), "a": torch.rand(3), "c": torch.tensor(2.0)}
    metadata = {f"key {number}": number for number in range(9)}
    for number in range(5):
        write_tensors(tmp_path / str(number), tensors, metadata)
    assert len(set(contents(tmp_path).values())) == 1
    with safe_open(tmp_path / "0", framework="pt") as file:  # any reader of the format reads it
        assert file.metadata().keys() == {*metadata, "digest"}
        assert torch.equal(file.get_tensor("b"), tensors["b"])


@pytest.mark.parametrize("place", [-1, "step"])
def test_a_changed_bit_is_found(tmp_path: Path, place: int | str) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"a": torch.arange(1000)}, {"step": 3})
    content = bytearray(path.read_bytes())
    at = place if isinstance(place, int) else content.index(b'"step":"3"') + len('"step":"')
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"t\.safetensors: .* damaged: its digest is that of other contents"):
        read_tensors(path)


def test_a_file_of_an_earlier_version_has_no_digest(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "t.safetensors", metadata={"step": "3"})
    tensors, metadata = read_tensors(tmp_path / "t.safetensors")
    assert (tensors["a"].tolist(), metadata) == ([1, 1], {"step": 3})
