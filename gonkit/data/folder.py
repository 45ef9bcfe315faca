"""The files of a folder, and the splits and classes that its sub-folders make."""

from __future__ import annotations

__all__ = [
    "SPLIT_FOLDERS",
    "FileVersions",
    "file_versions",
    "files_below",
    "files_in",
    "folder_split",
    "ignored_files",
    "split_folders",
    "visible_files",
]

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

import torch
from torch import Tensor

from gonkit.data.dataset import DataFile
from gonkit.data.splits import Split, split_by_name
from gonkit.errors import GonkitError
from gonkit.files import printable

SPLIT_FOLDERS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Folders at the top that are splits, if one is the training set and one another."""
FileVersions = tuple[tuple[Path, int, int], ...]
"""Paths of files, each with its size in bytes and its time in nanoseconds."""


def files_in(folder: Path, suffixes: Collection[str], noun: str, alternatives: Sequence[str] = ()) -> list[Path]:
    """The `visible_files` that end in one of some suffixes.

    Args:
        folder: where to look.
        suffixes: lower-case suffixes; files' own are compared in lower case.
        noun: what the files are, in the plural, for messages.
        alternatives: other words that `signal.data` could be.

    Raises:
        GonkitError: no such folder, or no such file in it.
    """
    if not folder.is_dir():
        named = f"{', '.join(alternatives)} or " if alternatives else ""
        raise GonkitError(f"{folder}: no such folder; signal.data must be {named}a folder of {noun}")
    paths = [path for path in visible_files(folder) if path.suffix.lower() in suffixes]
    if not paths:
        raise GonkitError(f"{folder}: no {noun} in it or below ({', '.join(sorted(suffixes))})")
    return paths


def files_below(folder: Path, paths: Sequence[Path]) -> list[tuple[DataFile, ...]]:
    """For `DatasetInfo.files`, where each signal has a file in a folder or below."""
    return [(DataFile(printable(path.relative_to(folder).as_posix()), path),) for path in paths]


def file_versions(paths: Sequence[Path]) -> FileVersions:
    """The key for what is remembered of files' contents; -1 for size and time where there is no such file."""

    def version(path: Path) -> tuple[Path, int, int]:
        try:
            status = path.stat()
        except OSError:
            return path, -1, -1
        return path, status.st_size, status.st_mtime_ns

    return tuple(map(version, paths))


def visible_files(folder: Path) -> list[Path]:
    """All files in a folder and below it, sorted.

    Links are followed. Hidden files and folders are left out, such as `.ipynb_checkpoints` and drafts of a process that
    was killed.
    """
    return sorted(_walk(folder))


def ignored_files(folder: Path, suffixes: Collection[str], known: Collection[Path] = ()) -> str:
    """A note about the files of a folder that `files_in` leaves out for their suffix; empty if there are none.

    Files `known` for another purpose are not counted.
    """
    others = Counter(path.suffix.lower() or "no suffix" for path in visible_files(folder) if path not in known)
    counts = [f"{count} {suffix}" for suffix, count in others.most_common() if suffix not in suffixes]
    return f"not read: {', '.join(counts)}" if counts else ""


def folder_split(
    folder: Path,
    names: Sequence[str],
    split: Split,
    shares: tuple[float, float] = (0.1, 0.1),
    assigned: Sequence[Split] | None = None,
) -> Tensor:
    """Numbers of the files that belong to a split.

    The splits are those assigned to the files, if there are such, or the folders `train`, `val` (`valid`, `validation`)
    and `test` at the top; what is missing of them is taken from the training files. Otherwise `split_by_name` decides.

    Args:
        folder: for messages.
        names: paths relative to it.
        split: which part.
        shares: of validation and of test, where they are taken from the training files.
        assigned: the split of each file, where something else than folders knows it.

    Raises:
        GonkitError: fewer than three files, or files beside the folders of splits.

    Example:
        >>> names = ["train/a.png", "train/b.png", "train/c.png", "test/d.png"]
        >>> [folder_split(Path("data"), names, split).tolist() for split in ("train", "val", "test")]
        [[0, 2], [1], [3]]
    """
    try:
        splits = list(assigned or split_folders(names) or split_by_name(names, shares))
        missing = {"val", "test"} - set(splits)
        training = [number for number, part in enumerate(splits) if part == "train"]
        drawn = split_by_name([names[number] for number in training], shares) if missing else []
    except GonkitError as error:
        raise GonkitError(f"{folder}: {error}") from None
    for number, part in zip(training, drawn, strict=False):
        splits[number] = part if part in missing else "train"
    return torch.tensor([number for number, part in enumerate(splits) if part == split], dtype=torch.int64)


def split_folders(names: Sequence[str]) -> list[Split] | None:
    """The split that each file's first folder names; None where folders are not splits."""
    tops = [path.parts[0].lower() if len((path := PurePath(name)).parts) > 1 else "" for name in names]
    found = {SPLIT_FOLDERS[top] for top in tops if top in SPLIT_FOLDERS}
    if "train" not in found or len(found) == 1:
        return None
    if outside := [name for name, top in zip(names, tops, strict=True) if top not in SPLIT_FOLDERS]:
        folders = ", ".join(sorted({top for top in tops if top in SPLIT_FOLDERS}))
        raise GonkitError(
            f"{len(outside)} of {len(names)} files, such as {outside[0]}, lie beside the folders {folders}, which are "
            "splits; move them into one, or rename these folders"
        )
    return [SPLIT_FOLDERS[top] for top in tops]


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder that are not hidden; a folder that links lead to twice is visited once."""
    visited = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(root)) in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        yield from (Path(root, name) for name in files if not name.startswith("."))
