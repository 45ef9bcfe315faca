"""What a run's data were: to tell whether they have changed since."""

from __future__ import annotations

__all__ = [
    "DATA_FILE",
    "DataRecord",
    "FileRecord",
    "SplitRecord",
    "file_digest",
    "read_split",
]

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy
import torch

from gonkit.data.contract import read_dataset
from gonkit.data.dataset import DataFile, SignalDataset, evenly_spaced
from gonkit.data.signal import Task
from gonkit.data.splits import Split, abbreviate
from gonkit.errors import GonkitError, reading
from gonkit.files import read_json

DATA_FILE = "data.json"  # of a run
WHOLE_BYTES = 1 << 18  # up to which a file is hashed whole
BLOCKS, BLOCK_BYTES = 16, 1 << 14  # of a larger one
SAMPLED_SIGNALS = 256  # whose values are compared where signals have no files
ROUNDING = 1e-4  # of the largest number, up to which values count as the same
READERS = 8  # threads: hashing and reading leave the interpreter free


@dataclass(frozen=True)
class FileRecord:
    """A file of a data set.

    Attributes:
        size: in bytes.
        modified: when, in nanoseconds.
        digest: see `file_digest`.
    """

    size: int
    modified: int
    digest: str


@dataclass(frozen=True)
class SplitRecord:
    """The signals of a split.

    Attributes:
        count: how many.
        files: their files by name.
        values: mean and standard deviation of up to 256 of them, evenly spaced, where they have no files: numbers and
            no hash, because another processor may compute embedded signals with other rounding. Empty where signals
            are others at every reading.
        labels: a hash of all labels, where signals have no files.
    """

    count: int
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    values: Sequence[Sequence[float]] = ()
    labels: str = ""

    def differs_in_values(self, other: SplitRecord) -> bool:
        """Whether labels, or values by more than rounding, are others."""
        if self.labels != other.labels or not (self.values and other.values):
            return self.labels != other.labels
        a, b = numpy.array(self.values), numpy.array(other.values)
        return a.shape != b.shape or bool((abs(a - b) > ROUNDING * abs(a).max()).any())


@dataclass(frozen=True)
class DataRecord:
    """What identifies the signals of a run's splits.

    Example:
        >>> before = DataRecord({"train": SplitRecord(40), "test": SplitRecord(4)})
        >>> before.changes(DataRecord({"test": SplitRecord(5)}))
        ['test: 5 signals, before 4']
    """

    splits: Mapping[Split, SplitRecord]

    @staticmethod
    def of(datasets: Mapping[Split, SignalDataset], known: DataRecord | None = None) -> DataRecord:
        """The record of some splits. Files whose size and time are `known` are not read again.

        Raises:
            GonkitError: a file that cannot be read.
        """
        earlier = {} if known is None else {name: f for part in known.splits.values() for name, f in part.files.items()}
        files = {split: dataset.info.all_files() for split, dataset in datasets.items()}
        records = _record_files(sorted({file for part in files.values() for file in part}), earlier)
        return DataRecord(
            {
                split: SplitRecord(len(dataset), {file.name: records[file] for file in files[split]})
                if files[split]
                else _record_values(dataset)
                for split, dataset in datasets.items()
            }
        )

    @staticmethod
    def read(path: Path) -> DataRecord | None:
        """The record in a file; None if there is no such file, as in runs of earlier versions.

        Raises:
            GonkitError: the file is damaged.
        """
        if not path.exists():
            return None
        fix = "remove it to go on"
        stored = read_json(path, "a record of data", fix)
        with reading(path, "a record of data", fix):
            return DataRecord({split: _split_record(stored[split]) for split in get_args(Split)})

    def encode(self) -> bytes:
        """The content of a file that `read` reads."""
        return json.dumps({split: asdict(part) for split, part in self.splits.items()}, indent=2).encode()

    def changes(self, now: DataRecord) -> list[str]:
        """One line for each file that was added, removed, moved or changed, or each split without files that differs.

        Args:
            now: a later record, of the same splits or of some of them.
        """
        lines: dict[str, None] = {}  # as a set in order
        for split, new in now.splits.items():
            old, found = self.splits[split], len(lines)
            lines |= {f"added to {split}: {name}": None for name in new.files if not self._splits_with(name)}
            for name in new.files.keys() - old.files.keys():
                if before := self._splits_with(name):
                    lines[f"moved from {before[0]} to {split}: {name}"] = None
            for name in old.files.keys() - new.files.keys():
                if after := now._splits_with(name):
                    lines[f"moved from {split} to {after[0]}: {name}"] = None
                else:
                    lines[f"removed from {split}: {name}"] = None
            common = [name for name in old.files if name in new.files]
            lines |= {f"changed: {n}": None for n in common if old.files[n].digest != new.files[n].digest}
            if old.count != new.count and len(lines) == found:
                lines[f"{split}: {new.count:,} signals, before {old.count:,}"] = None
            elif old.differs_in_values(new):
                lines[f"{split}: the values or labels are others"] = None
        return list(lines)

    def verify(self, datasets: Mapping[Split, SignalDataset], place: str) -> DataRecord:
        """Checks that some splits are as they were, and returns their record of now.

        Args:
            datasets: as they are read now.
            place: for the message.

        Raises:
            GonkitError: they are not; the message lists up to ten differences.
        """
        now = DataRecord.of(datasets, self)
        if changes := self.changes(now):
            listed = abbreviate(changes, "\n  ")
            raise GonkitError(
                f"{place}: the data are not those that this run was trained on\n  {listed}\n"
                "restore them, or go on with what is there now by --accept-changed-data"
            )
        return now

    def _splits_with(self, name: str) -> list[Split]:
        return [split for split, part in self.splits.items() if name in part.files]


def _split_record(part: Mapping[str, Any]) -> SplitRecord:
    """A split of a stored record.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: something else.
    """
    files = {
        name: FileRecord(int(one["size"]), int(one["modified"]), str(one["digest"]))
        for name, one in part["files"].items()
    }
    values = numpy.array(part["values"], numpy.float64).tolist()
    return SplitRecord(int(part["count"]), files, values, str(part["labels"]))


def read_split(task: Task, split: Split, record_file: Path | None = None) -> SignalDataset:
    """The signals of a split, which a task reads.

    Raises:
        GonkitError: they are others than the record in a file tells; see `DataRecord.verify`.
    """
    dataset = read_dataset(task, split)
    if record_file is not None and (record := DataRecord.read(record_file)) is not None:
        record.verify({split: dataset}, f"the {split} split")
    return dataset


def file_digest(path: Path) -> str:
    """A hash of a file's size and content, of 32 hexadecimal digits; a file is read once as long as it is not changed.

    Of a file of more than 256 KiB 16 blocks of 16 KiB are read, evenly spaced, the first and the last among them: a
    change between them that leaves the size as it was is not seen.

    Raises:
        GonkitError: the file cannot be read.
    """
    with reading(path, "a file of data"):
        status = path.stat()
        return _digest_of_version(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1 << 16)
def _digest_of_version(path: Path, size: int, modified: int) -> str:
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            digest.update(file.read())
        else:
            for block in range(BLOCKS):
                file.seek(block * (size - BLOCK_BYTES) // (BLOCKS - 1))
                digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


def _record_files(files: Sequence[DataFile], earlier: Mapping[str, FileRecord]) -> dict[DataFile, FileRecord]:
    def record(file: DataFile) -> FileRecord:
        with reading(file.path, "a file of data"):
            status = file.path.stat()
        size, modified, before = status.st_size, status.st_mtime_ns, earlier.get(file.name)
        if before is not None and (before.size, before.modified) == (size, modified):
            return before
        return FileRecord(size, modified, file_digest(file.path))

    with ThreadPoolExecutor(READERS) as pool:
        return dict(zip(files, pool.map(record, files), strict=True))


def _record_values(dataset: SignalDataset) -> SplitRecord:
    index = evenly_spaced(SAMPLED_SIGNALS, len(dataset))
    batch, first = dataset.batch(index), dataset.batch(index[:1])
    values = batch.values.double().flatten(1)
    if batch.mask is not None:
        values = values.where(batch.mask.repeat_interleave(batch.values.shape[2], 1), 0.0)
    repeats = first.digests() == batch[:1].digests()  # some data sets draw anew at every reading
    moments = torch.stack((values.mean(1), values.std(1, correction=0)), 1).tolist() if repeats else []
    labels = dataset.info.labels
    digest = "" if labels is None else hashlib.blake2b(labels.cpu().numpy().tobytes(), digest_size=16).hexdigest()
    return SplitRecord(len(dataset), {}, moments, digest)
