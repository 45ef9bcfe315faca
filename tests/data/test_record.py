"""Data that have changed are named, and signals that are in two splits."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy
import pytest
import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import (
    DataRecord,
    DatasetInfo,
    InMemoryDataset,
    SignalDataset,
    SplitRecord,
    SubsetDataset,
    duplicate_note,
    file_digest,
    files_below,
    read_split,
)
from gonkit.errors import GonkitError
from signals.image import Image


class FileDataset(SignalDataset):
    """Text files whose bytes are values."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.info = DatasetInfo(names, files=files_below(folder, [folder / name for name in names]))

    def __len__(self) -> int:
        return len(self.info.names or ())

    def batch(self, index: Tensor) -> Batch:
        raise AssertionError("values of files are not read")


def write(folder: Path, **contents: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)
    return folder


def in_memory(values: Tensor, label: Tensor | None = None) -> InMemoryDataset:
    return InMemoryDataset(Batch(torch.zeros(values.shape[1], 1), values, label=label))


def test_files_are_named_that_were_added_removed_moved_and_changed(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", a="1", b="2", c="3", d="4", e="5")
    before = DataRecord.of({"train": FileDataset(folder, ["a", "b", "c"]), "test": FileDataset(folder, ["d"])})
    write(folder, b="22", c="9")
    now = DataRecord.of(
        {"train": FileDataset(folder, ["b", "c", "d", "e"]), "test": FileDataset(folder, ["d"])}, before
    )
    assert before.changes(before) == []
    assert before.changes(now) == [
        "added to train: e",
        "moved from test to train: d",
        "removed from train: a",
        "changed: b",
        "changed: c",
    ]
    one_split = DataRecord({"test": SplitRecord(1, {"a": before.splits["train"].files["a"]})})
    assert before.changes(one_split) == ["moved from train to test: a", "removed from test: d"]


def test_a_record_is_read_as_it_was_written_and_a_moved_folder_is_the_same(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", a="1", b="2", c="3")
    splits = {
        "train": FileDataset(folder, ["a"]),
        "val": in_memory(torch.rand(3, 4, 1)),
        "test": FileDataset(folder, ["c"]),
    }
    before = DataRecord.of(splits)  # type: ignore[arg-type]
    (tmp_path / "data.json").write_bytes(before.encode())
    read = DataRecord.read(tmp_path / "data.json")
    assert read is not None
    assert read.changes(before) == before.changes(read) == []
    (elsewhere := tmp_path / "elsewhere").mkdir()
    for name in "abc":
        (elsewhere / name).write_bytes((folder / name).read_bytes())
    moved = DataRecord.of({"train": FileDataset(elsewhere, ["a"]), "test": FileDataset(elsewhere, ["c"])}, read)
    assert read.changes(moved) == []
    assert DataRecord.read(tmp_path / "none.json") is None
    (tmp_path / "data.json").write_text('{"train": {"count": 3}}')
    with pytest.raises(GonkitError, match=r"data\.json: cannot be read as a record of data"):
        DataRecord.read(tmp_path / "data.json")


def test_a_file_is_read_again_only_if_its_size_or_time_is_another(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", a="one")
    dataset = {"train": FileDataset(folder, ["a"])}
    before = DataRecord.of(dataset)  # type: ignore[arg-type]
    status = (folder / "a").stat()
    write(folder, a="two")
    os.utime(folder / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert before.changes(DataRecord.of(dataset, before)) == []  # type: ignore[arg-type]
    os.utime(folder / "a", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert before.changes(DataRecord.of(dataset, before)) == ["changed: a"]  # type: ignore[arg-type]


def test_large_files_are_sampled_to_their_end(tmp_path: Path) -> None:
    path = tmp_path / "large"
    content = bytearray(numpy.random.default_rng(0).bytes(1 << 20))
    digests = set()
    for place in (None, 0, -1):
        if place is not None:
            content[place] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(len(digests), len(digests)))
        digests.add(file_digest(path))
    path.write_bytes(content[:-1])
    digests.add(file_digest(path))
    assert len(digests) == 4
    with pytest.raises(GonkitError, match="none: cannot be read"):
        file_digest(tmp_path / "none")


def test_values_without_files_are_compared_to_rounding() -> None:
    torch.manual_seed(0)
    values, label = torch.rand(300, 5, 1), torch.arange(300) % 3

    def record(values: Tensor, label: Tensor | None = label) -> DataRecord:
        return DataRecord.of({"test": in_memory(values, label)})

    before = record(values)
    assert before.changes(record(values * (1 + 1e-6))) == []
    assert before.changes(record(values.flip(0))) == ["test: the values or labels are others"]
    assert before.changes(record(values, label.flip(0))) == ["test: the values or labels are others"]
    assert before.changes(record(values, None)) == ["test: the values or labels are others"]
    assert before.changes(record(values[:-1], label[:-1])) == ["test: 299 signals, before 300"]


def test_a_data_set_that_draws_anew_at_every_reading_is_counted() -> None:
    class Noise(SignalDataset):
        def __len__(self) -> int:
            return 4

        def batch(self, index: Tensor) -> Batch:
            return Batch(torch.zeros(3, 1), torch.rand(len(index), 3, 1))

    first, second = (DataRecord.of({"train": Noise()}) for _ in range(2))
    assert first.splits["train"] == SplitRecord(4, {}, [], "")
    assert first.changes(second) == []


def test_a_masked_value_is_not_part_of_a_signal() -> None:
    values, mask = torch.rand(4, 5, 2), torch.ones(4, 5, dtype=torch.bool)
    mask[:, 2] = False
    other = values.clone()
    other[:, 2] = float("nan")
    first, second = (InMemoryDataset(Batch(torch.zeros(5, 1), v, mask)) for v in (values, other))
    record = DataRecord.of({"val": first})
    assert record.changes(DataRecord.of({"val": second})) == []
    assert len(DataRecord.of({"val": second}).splits["val"].values) == 4
    assert first.digests() == second.digests()
    assert first.digests() != InMemoryDataset(Batch(torch.zeros(5, 1), values)).digests()


def test_up_to_ten_changes_are_listed(tmp_path: Path) -> None:
    names = [f"file{number:02}" for number in range(13)]
    folder = write(tmp_path / "data", **dict.fromkeys(names, "x"))
    before = DataRecord.of({"train": FileDataset(folder, ["file00"])})
    with pytest.raises(GonkitError) as caught:
        before.verify({"train": FileDataset(folder, names)}, "runs/x")
    lines = str(caught.value).splitlines()
    assert lines[0] == "runs/x: the data are not those that this run was trained on"
    assert lines[1:11] == [f"  added to train: {name}" for name in names[1:11]]
    assert lines[11:] == ["  and 2 more", "restore them, or go on with what is there now by --accept-changed-data"]


def test_an_hdf5_file_is_one_file_of_all_splits(tmp_path: Path) -> None:
    path = tmp_path / "pictures.h5"
    with h5py.File(path, "w") as file:
        file["values"] = numpy.random.default_rng(0).integers(0, 255, (20, 8, 8), dtype=numpy.uint8)
    signal = Image(data=str(path), size=8, color="gray")
    datasets = {split: signal.dataset(split) for split in ("train", "val", "test")}  # type: ignore[arg-type]
    before = DataRecord.of(datasets)  # type: ignore[arg-type]
    assert list(before.splits["test"].files) == ["pictures.h5"]
    assert duplicate_note(datasets) == ""  # type: ignore[arg-type]
    (tmp_path / "data.json").write_bytes(before.encode())
    assert len(read_split(signal, "test", tmp_path / "data.json")) == 2
    with h5py.File(path, "r+") as file:
        file["values"][3] = 0
    with pytest.raises(GonkitError, match=r"the test split: the data are not those .*\n  changed: pictures\.h5"):
        read_split(signal, "test", tmp_path / "data.json")


def test_equal_signals_of_two_splits_are_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    train, test, val = torch.rand(9, 5, 1), torch.rand(3, 5, 1), torch.rand(2, 5, 1)
    datasets = {"train": in_memory(train), "val": in_memory(val), "test": in_memory(test)}
    assert duplicate_note(datasets) == ""  # type: ignore[arg-type]
    test[1], val[0] = train[7], train[0]
    datasets = {"train": in_memory(train), "val": in_memory(val), "test": in_memory(test)}
    both = "number 1 of test = number 7 of train, number 0 of val = number 0 of train"
    assert duplicate_note(datasets).endswith(f"which makes metrics too good (2): {both}")  # type: ignore[arg-type]
    part = SubsetDataset(datasets["test"], torch.tensor([2, 1]))
    assert "number 1 of test = number 7 of train" in duplicate_note(datasets | {"test": part})  # type: ignore[arg-type]


def test_equal_files_of_two_splits_are_named_and_the_same_file_is_not(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", a="1", b="2", c="1", d="3")
    names = {"train": ["a", "b"], "val": ["b"], "test": ["c"]}
    datasets = {split: FileDataset(folder, some) for split, some in names.items()}
    assert duplicate_note(datasets).endswith("(1): c = a")  # type: ignore[arg-type]
    record = DataRecord.of(datasets)  # type: ignore[arg-type]
    shutil.rmtree(folder)
    assert duplicate_note(datasets, record).endswith("(1): c = a")  # type: ignore[arg-type]


def test_information_about_some_signals_has_their_files(tmp_path: Path) -> None:
    info = FileDataset(write(tmp_path, a="1", b="2"), ["a", "b"]).info
    twice = replace(info, names=None, files=[*(info.files or ()), *(info.files or ())])
    assert [file.name for file in twice.all_files()] == ["a", "b"]
    assert [file.name for file in twice.subset(torch.tensor([3])).all_files()] == ["b"]
