"""The files of a folder, and its classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonkit.data import LabeledFolder, files_in, folder_split, ignored_files, split_by_name
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


def test_hidden_folders_are_left_out_and_links_followed_once(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "data/a.png",
        "data/.ipynb_checkpoints/a-checkpoint.png",
        "data/__MACOSX/b.png",
        "data/._c.png",
        "far/d.png",
    )
    (tmp_path / "data/linked").symlink_to(tmp_path / "far")
    (tmp_path / "far/loop").symlink_to(tmp_path / "data")
    files = files_in(tmp_path / "data", {".png"}, "pictures")
    assert [path.relative_to(tmp_path / "data").as_posix() for path in files] == ["a.png", "linked/d.png"]


def test_files_that_are_not_read_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.BMP", "c/d.bmp", "README", ".hidden.tif")
    assert ignored_files(tmp_path, {".png"}) == "not read: 2 .bmp, 1 no suffix"
    assert ignored_files(tmp_path, {".png", ".bmp", "no suffix"}) == ""
    assert ignored_files(tmp_path, {".png"}, known=[tmp_path / "README", tmp_path / "b.BMP"]) == "not read: 1 .bmp"


@pytest.mark.parametrize("val", ["val", "valid", "Validation", None])
def test_folders_of_splits_are_the_splits_and_not_classes(val: str | None) -> None:
    names = [
        f"{top}/{kind}/{n}.png" for top in ("train", val, "test") if top for kind in ("cat", "dog") for n in range(30)
    ]
    parts = {split: folder_split(Path("x"), names, split).tolist() for split in ("train", "val", "test")}
    assert sorted(number for numbers in parts.values() for number in numbers) == list(range(len(names)))
    for split, numbers in parts.items():
        assert numbers
        tops = {names[number].split("/")[0] for number in numbers}
        assert tops == {{"train": "train", "val": val or "train", "test": "test"}[split]}
    classes, labels = LabeledFolder.of(Path("x"), names, "files").classes(names)
    assert classes == ("cat", "dog")
    assert labels == [int("dog" in name) for name in names]


def test_files_beside_folders_of_splits_are_named() -> None:
    names = ["train/1.png", "train/2.png", "test/3.png", "more/4.png"]
    with pytest.raises(
        GonkitError, match=r"data: 1 of 4 files, such as more/4.png, lie beside the folders test, train"
    ):
        folder_split(Path("data"), names, "train")
    with pytest.raises(GonkitError, match=r"data: 1 of 4 files, such as more/4.png"):
        LabeledFolder.of(Path("data"), names, "files")
    alone = ["train/1.png", "bus/2.png", "train/3.png"]  # means of transport
    assert LabeledFolder.of(Path("x"), alone, "files").classes(alone) == (("bus", "train"), [1, 0, 1])


def test_a_file_that_is_added_moves_none_of_the_others() -> None:
    names = [f"p{number:02d}.png" for number in range(40)]
    before = split_by_name(names)
    assert {part: before.count(part) > 0 for part in ("train", "val", "test")} == dict.fromkeys(before, True)
    for added in ("a.png", "p11b.png", "z.png"):
        after = dict(zip(sorted([*names, added]), split_by_name(sorted([*names, added])), strict=True))
        assert [after[name] for name in names] == before
    assert sorted(split_by_name(["1", "2", "3"])) == ["test", "train", "val"]  # each has one
    with pytest.raises(GonkitError, match="at least 3 are needed"):
        split_by_name(["1", "2"])
