"""Signals that are in the training set and held out as well."""

from __future__ import annotations

__all__ = ["duplicate_files", "duplicate_note"]

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from gonkit.data.dataset import SignalDataset
from gonkit.data.record import READERS, DataRecord, file_digest
from gonkit.data.splits import Split, abbreviate


def duplicate_note(datasets: Mapping[Split, SignalDataset], record: DataRecord | None = None) -> str:
    """A sentence about held-out signals that are training signals too; empty if there are none.

    Signals are equal if their values are, where they lie in memory, and otherwise if their files are. A signal is no
    duplicate of itself, where a recipe holds nothing out.

    Args:
        datasets: all three splits.
        record: of them; None to read their files.
    """
    digests = {split: dataset.digests() for split, dataset in datasets.items()}
    if None in digests.values() and record is not None:
        files = {split: part.files.items() for split, part in record.splits.items()}
        return _compare_splits({split: {name: file.digest for name, file in some} for split, some in files.items()})
    if None in digests.values():
        return duplicate_files({split: dataset.info.all_files() for split, dataset in datasets.items()})
    content = {}
    for split, dataset in datasets.items():
        form = "number {} of " + split if dataset.info.names is None else "{}"
        names = [form.format(name) for name in dataset.info.names_of(torch.arange(len(dataset)))]
        content[split] = dict(zip(names, digests[split] or [], strict=True))
    return _compare_splits(content)


def duplicate_files(files: Mapping[Split, Sequence[tuple[str, Path]]]) -> str:
    """The same, about names and paths of files by split.

    Raises:
        GonkitError: a file that cannot be read.
    """
    content = {}
    for split, some in files.items():
        with ThreadPoolExecutor(READERS) as pool:
            digests = pool.map(file_digest, [path for _, path in some])
            content[split] = dict(zip([name for name, _ in some], digests, strict=True))
    return _compare_splits(content)


def _compare_splits(content: Mapping[Split, Mapping[str, str]]) -> str:
    """Compares digests by name, by split."""
    train = {digest: name for name, digest in content["train"].items()}
    held_out = [*content["test"].items(), *content["val"].items()]
    equal = [f"{name} = {train[digest]}" for name, digest in held_out if train.get(digest, name) != name]
    if not equal:
        return ""
    listed = abbreviate(equal)
    return f"held-out signals that equal training signals, which makes metrics too good ({len(equal)}): {listed}"
