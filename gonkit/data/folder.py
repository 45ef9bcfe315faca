"""The files of a folder, and the classes that its sub-folders make."""

from __future__ import annotations

__all__ = ["files_in", "folder_classes"]

from collections.abc import Collection, Sequence
from pathlib import Path

from gonkit.errors import GonkitError


def files_in(folder: Path, suffixes: Collection[str], noun: str, alternatives: Sequence[str] = ()) -> list[Path]:
    """The files in a folder and below it that end in one of some suffixes, sorted; hidden files are left out.

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
    files = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    paths = sorted(path for path in files if not path.name.startswith("."))  # hidden: drafts of a killed process, say
    if not paths:
        raise GonkitError(f"{folder}: no {noun} in it or below ({', '.join(sorted(suffixes))})")
    return paths


def folder_classes(names: Sequence[str]) -> tuple[tuple[str, ...], list[int] | None]:
    """Class names, and the label of each file, from the first folder of its relative path.

    Args:
        names: paths relative to the data folder.

    Returns:
        Sorted class names and a label per file; no names and None unless every file lies in a sub-folder.

    Example:
        >>> folder_classes(["cat/1.png", "dog/2.png", "cat/3.png"])
        (('cat', 'dog'), [0, 1, 0])
        >>> folder_classes(["cat/1.png", "2.png"])
        ((), None)
    """
    parts = [Path(name).parts for name in names]
    if not all(len(part) > 1 for part in parts):
        return (), None
    classes = sorted({part[0] for part in parts})
    return tuple(classes), [classes.index(part[0]) for part in parts]
