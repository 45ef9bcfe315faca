"""Labels of files: from folders, from names, and from tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gonkit.data import LabeledFolder, LabelRule, Settings
from gonkit.errors import GonkitError

NAMES = ["cat/ann/1.png", "cat/bob/2.png", "dog/ann/3.png", "dog/bob/4.png"]


class Labeled(Settings):
    label: LabelRule = None


def classes_of(names: list[str], rule: str | None) -> list[str] | None:
    """The label of each file."""
    found = LabeledFolder.of(Path("data"), names, "files", rule)
    classes, labels = found.classes(names)
    assert list(classes) == sorted(set(classes))
    return None if labels is None else [classes[label] for label in labels]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files and one of another kind."""
    for name in (*NAMES, "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def find(folder: Path, table: str) -> LabeledFolder:
    """The pictures of a folder, labeled by a table in it."""
    (folder / "labels.csv").write_text(table)
    return LabeledFolder.find(folder, {".png"}, "pictures", "labels.csv")


@pytest.mark.parametrize("split_folder", ["", "train/"])
def test_labels_are_folders_of_any_level(split_folder: str) -> None:
    names = [split_folder + name for name in NAMES]
    if split_folder:
        names.append("test/cat/bob/5.png")
    animals, people = [["cat", "cat", "dog", "dog", "cat"], ["ann", "bob", "ann", "bob", "bob"]]
    assert (
        classes_of(names, None)
        == classes_of(names, "folder:1")
        == classes_of(names, "folder:-2")
        == animals[: len(names)]
    )
    assert classes_of(names, "folder:2") == classes_of(names, "folder:-1") == people[: len(names)]


def test_files_without_a_folder_have_no_labels_or_are_named() -> None:
    names = ["b/1.png", "a/deep/2.png", "b/3.png"]
    assert classes_of(names, None) == ["b", "a", "b"]
    assert classes_of([*names, "4.png"], None) is None
    found = LabeledFolder.of(Path("data"), names, "files", "folder:2")
    assert list(found.fields) == ["a/deep/2.png"]
    assert found.problems[0] == 'data/b/1.png: signal.label = "folder:2" needs 2 folders around it; got 1'
    assert found.note([], skip=True) == "2 of 3 files could not be used and were skipped"
    with pytest.raises(GonkitError, match=r"2 of 3 files cannot be used.*\n  data/b/1\.png: .*\n  data/b/3\.png"):
        found.note([], skip=False)


def test_labels_are_parts_of_names() -> None:
    names = ["x/seven_ann_3.wav", "seven_bob_1.wav", "one_ann_2.take.wav"]
    found = LabeledFolder.of(Path("data"), names, "files", "{label}_{speaker}_{take}")
    assert found.fields["x/seven_ann_3.wav"] == {"label": "seven", "speaker": "ann", "take": "3"}
    assert classes_of(names, "{label}_{speaker}_{take}") == ["seven", "seven", "one"]
    assert classes_of(names, "{label}_{rest}") == ["seven", "seven", "one"]
    assert classes_of(["a/b/one_1.wav", "train/c/one_2.wav"], "{label}/{word}_{take}") == ["b", "c"]
    assert classes_of(names, "{word}_{rest}") is None
    wrong = LabeledFolder.of(Path("data"), [*names, "eight.wav"], "files", "{label}_{rest}")
    assert wrong.problems == ["data/eight.wav: its name does not match signal.label = '{label}_{rest}'"]


def test_labels_splits_and_other_parts_are_in_a_table(folder: Path) -> None:
    table = "\ufefffile, label ,split,person\n./cat/ann/1.png,tabby,train,Ann\ncat/bob/2.png,black,Validation,Bob\n"
    table += 'dog\\ann\\3.png,"poodle, toy",test,Ann\n'
    found = find(folder, table)
    names = list(found.fields)
    assert names == NAMES[:3]
    assert found.classes(names) == (("black", "poodle, toy", "tabby"), [2, 0, 1])
    assert found.fields["cat/bob/2.png"] == {"label": "black", "person": "Bob"}
    assert found.splits == {NAMES[0]: "train", NAMES[1]: "val", NAMES[2]: "test"}
    assert [found.split(names, split).tolist() for split in ("train", "val", "test")] == [[0], [1], [2]]
    expected = f"1 pictures are not in {folder / 'labels.csv'} and were left out; not read: 1 .txt"
    assert found.note([], skip=False) == expected
    assert found.paths == [folder / name for name in names]


def test_a_table_without_splits_leaves_them_to_folders(folder: Path) -> None:
    rows = "".join(f"{name},{number % 2}\n" for number, name in enumerate(NAMES))
    found = find(folder, "file,label\n" + rows)
    assert found.splits == {}
    parts = [found.split(NAMES, split).tolist() for split in ("train", "val", "test")]
    assert sorted(number for part in parts for number in part) == [0, 1, 2, 3]
    assert all(parts)
    assert LabeledFolder.find(folder, {".png"}, "pictures", str(folder / "labels.csv")).fields == found.fields


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "needs the columns file and label, separated by commas, and may have split; got an empty file"),
        (
            "file;label\na;b\n",
            "needs the columns file and label, separated by commas, and may have split; got file;label",
        ),
        (
            "file,label\ncat/ann/1.png,a\nd.png,b\ne.png,b\n",
            r"2 of 3 files are not among the pictures in .*: d\.png, e\.png",
        ),
        ("file,label\nnotes.txt,a\n", r"1 of 1 files are not among the pictures in .*: notes\.txt"),
        ("file,label\ncat/ann/1.png,a\n./cat/ann/1.png,b\n", r"1 files have several rows: cat/ann/1\.png"),
        ("file,label\ncat/ann/1.png,\n", r"1 rows without a label: 2 \(cat/ann/1\.png\)"),
        ("file,label\n,a\n", r"1 rows without a file: 2 \(no file\)"),
        (
            "file,label,split\ncat/ann/1.png,a,most\n",
            r"1 rows of a split that is none of test, .*: 2 \(cat/ann/1\.png\)",
        ),
        ("file,label,split\ncat/ann/1.png,a,test\n", "no row has the split train"),
    ],
)
def test_mistakes_in_a_table_are_named(folder: Path, table: str, message: str) -> None:
    with pytest.raises(GonkitError, match=rf"labels\.csv: {message}"):
        find(folder, table)


def test_a_table_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(
        GonkitError, match=r"none\.csv: cannot be read as a table of labels \(signal\.label\): there is no such"
    ):
        LabeledFolder.find(folder, {".png"}, "pictures", "none.csv")


@pytest.mark.parametrize(
    "rule", ["folder", "folder:0", "folder:x", "{label}_{label}", "{}", "{a b}", "label", "labels.tsv"]
)
def test_rules_of_no_known_form_are_refused(rule: str) -> None:
    with pytest.raises(ValidationError, match=r"expected a folder as in \"folder:1\", different names in braces"):
        Labeled(label=rule)


@pytest.mark.parametrize("rule", [None, "folder:1", "folder:-12", "{label}_{take}", "{a}/{label}", "x/labels.CSV"])
def test_rules_of_known_forms_are_kept(rule: str | None) -> None:
    assert Labeled(label=rule).label == rule
