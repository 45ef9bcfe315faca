"""Which signals belong to a split, where windows begin, and the note about skipped files."""

from __future__ import annotations

__all__ = ["Split", "abbreviate", "report_skipped_files", "split_by_name", "split_indices", "window_starts"]

import hashlib
import os
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from gonkit.errors import GonkitError

Split = Literal["train", "val", "test"]
MAX_LISTED = 10  # files named in a message


def split_indices(count: int, split: Split, shares: tuple[float, float] = (0.1, 0.1), seed: int = 0) -> Tensor:
    """Numbers of the signals, of `count`, that belong to a split: a fixed shuffle, then validation and test shares.

    Args:
        count: number of signals, at least 3.
        split: which part.
        shares: of validation and of test, each at least one signal.
        seed: of the shuffle; the same seed gives the same split on every machine.

    Raises:
        GonkitError: fewer than three signals.

    Example:
        >>> [len(split_indices(100, s)) for s in ("train", "val", "test")]
        [80, 10, 10]
    """
    _require_three(count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    val, test = (max(1, round(share * count)) for share in shares)
    parts = {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}
    return parts[split].sort().values


def split_by_name(names: Sequence[str], shares: tuple[float, float] = (0.1, 0.1)) -> list[Split]:
    """The split of each signal, which a hash of its name decides: signals that are added move none of the others.

    Args:
        names: of the signals, at least 3.
        shares: of validation and of test, about; each gets at least one signal.

    Raises:
        GonkitError: fewer than three signals.

    Example:
        >>> names = [f"{number}.png" for number in range(100)]
        >>> splits = split_by_name(names)
        >>> [splits.count(split) for split in ("train", "val", "test")], splits == split_by_name([*names, "z"])[:100]
        ([84, 10, 6], True)
    """
    _require_three(len(names))
    val, test = shares
    places = [int(hashlib.sha256(os.fsencode(name)).hexdigest()[:8], 16) / 2**32 for name in names]
    splits: list[Split] = ["val" if x < val else "test" if x < val + test else "train" for x in places]
    everything: tuple[Split, ...] = ("val", "test", "train")
    for missing in (part for part in everything if part not in splits):
        movable = [number for number, part in enumerate(splits) if splits.count(part) > 1]
        splits[min(movable, key=lambda number: places[number])] = missing
    return splits


def _require_three(count: int) -> None:
    if count < 3:
        raise GonkitError(f"{count} signal(s) found; at least 3 are needed, one each to train, validate and test")


def window_starts(length: int, window: int, overlap: float = 0.5) -> list[int]:
    """First points of overlapping windows along an axis: evenly spaced, but the last window ends where the axis does.

    Example:
        >>> window_starts(10, 4, overlap=0.5), window_starts(9, 4, overlap=0.5), window_starts(3, 4)
        ([0, 2, 4, 6], [0, 2, 4, 5], [0])
    """
    hop = max(1, round(window * (1 - overlap)))
    return [*range(0, max(length - window, 0), hop), max(length - window, 0)]


def report_skipped_files(problems: Sequence[str], total: int, noun: str, skip: bool) -> str:
    """A note about files that were skipped, empty if all are good.

    Args:
        problems: one message for each file that cannot be used.
        total: number of files.
        noun: what the files are, in the plural.
        skip: whether the user asked to go on without bad files.

    Raises:
        GonkitError: bad files, and `skip` is false; the message lists up to ten.
    """
    if problems and not skip:
        listed = abbreviate(problems, "\n  ")
        raise GonkitError(
            f"{len(problems)} of {total} {noun} cannot be used; --skip-bad (signal.skip_bad = true) goes on without "
            f"them\n  {listed}"
        )
    return f"{len(problems)} of {total} {noun} could not be used and were skipped" if problems else ""


def abbreviate(items: Sequence[str], separator: str = ", ") -> str:
    """The first ten items, and how many more there are.

    Example:
        >>> abbreviate(list("abcdefghijkl"))
        'a, b, c, d, e, f, g, h, i, j, and 2 more'
    """
    more = [f"and {len(items) - MAX_LISTED} more"] if len(items) > MAX_LISTED else []
    return separator.join([*items[:MAX_LISTED], *more])
