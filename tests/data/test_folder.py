"""The files of a folder, and its classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonkit.data import files_in, folder_classes
from gonkit.errors import GonkitError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_are_found_at_any_depth_sorted_and_without_hidden_ones(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/z.PNG", "a/deep/er.jpg", "a/.0123.part.png", "notes.txt", "c.png.bak")
    (tmp_path / "folder.png").mkdir()
    files = files_in(tmp_path, {".png", ".jpg"}, "pictures")
    assert files == [tmp_path / "a/deep/er.jpg", tmp_path / "a/z.PNG", tmp_path / "b.png"]


def test_a_missing_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(GonkitError, match=r"signal.data must be digits, mnist or a folder of pictures"):
        files_in(tmp_path / "none", {".png"}, "pictures", ["digits", "mnist"])
    with pytest.raises(GonkitError, match=r"none: no such folder; signal.data must be a folder of pictures"):
        files_in(tmp_path / "none", {".png"}, "pictures")
    touch(tmp_path, "notes.txt")
    with pytest.raises(GonkitError, match=r"no pictures in it or below \(\.jpg, \.png\)"):
        files_in(tmp_path, {".png", ".jpg"}, "pictures")


def test_classes_are_the_first_folders_if_every_file_is_in_one() -> None:
    assert folder_classes(["b/1.png", "a/deep/2.png", "b/3.png"]) == (("a", "b"), [1, 0, 1])
    assert folder_classes(["b/1.png", "2.png"]) == ((), None)
