"""Exceptions that callers may catch, and the exit codes of the commands."""

from __future__ import annotations

__all__ = [
    "ContractError",
    "DamagedFileError",
    "DivergedError",
    "ExitCode",
    "GonkitError",
    "ProcessLostError",
    "RecipeError",
    "TrainingInterrupted",
    "failures_named",
    "reading",
]

import os
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

MAX_REASON = 300  # characters of a decoder's message
GENERATED = ("<string>", "<frozen")  # beginnings of the file names of code that nobody wrote


class GonkitError(ValueError):
    """A mistake in what a user gave: a file, a folder, a setting, a shape. The message says what to do."""


class ContractError(GonkitError):
    """Something that a signal type made is not what was agreed, such as a batch whose shapes do not fit together."""


class DamagedFileError(GonkitError):
    """A file whose content is not what it should be: of another kind, cut short, or changed since it was written."""


class RecipeError(GonkitError):
    """All mistakes of a recipe, one per line."""


class DivergedError(GonkitError):
    """The loss or its gradient is no longer finite."""


class TrainingInterrupted(Exception):
    """Training was asked to stop; its checkpoint is saved and the run can be resumed."""


class ProcessLostError(Exception):
    """Another process of a distributed run is gone; the last checkpoint is intact."""


class ExitCode(IntEnum):
    """Exit codes of every command; 1 is left to unexpected exceptions."""

    DONE = 0
    USER_ERROR = 2
    RESUMABLE = 3


@contextmanager
def failures_named(member: str) -> Iterator[None]:
    """Inside, a mistake in a user's own code becomes one sentence with the member, the file and the line.

    Errors that say enough already (all of gonkit's but a `ContractError`) stay as they are.

    Args:
        member: what was called, as in "Globe.dataset".

    Raises:
        GonkitError: whatever went wrong.

    Example:
        >>> with failures_named("Globe.dataset"):
        ...     {}["earth"]
        Traceback (most recent call last):
        gonkit.errors.GonkitError: Globe.dataset: KeyError: 'earth' (<doctest gonkit.errors.failures_named[0]>, line 2)
    """
    try:
        yield
    except ContractError as error:
        raise GonkitError(f"{member}: {error}{_place(error)}") from error
    except GonkitError:
        raise
    except Exception as error:
        paragraph = str(error).partition("\n\n")[0]
        raise GonkitError(f"{member}: {type(error).__name__}: {paragraph}{_place(error)}") from error


@contextmanager
def reading(path: Path, what: str, fix: str = "") -> Iterator[None]:
    """Inside, whatever a decoder raises at a file's content becomes one sentence with the file and what it should be.

    Decoders fail at broken files in every way, not only in those that they document. A `GonkitError` stays as it is.

    Args:
        path: of the file.
        what: it should be, as in "a recipe".
        fix: what to do about it.

    Raises:
        DamagedFileError: content that cannot be read.
        GonkitError: no such file.

    Example:
        >>> with reading(Path("data.json"), "a record", "remove it to go on"):
        ...     {"train": 40}["test"]
        Traceback (most recent call last):
        gonkit.errors.DamagedFileError: data.json: cannot be read as a record: KeyError: 'test'; remove it to go on
    """
    try:
        yield
    except GonkitError:
        raise
    except FileNotFoundError as error:
        raise GonkitError(f"{path}: cannot be read as {what}: there is no such file") from error
    except Exception as error:
        reason = _reason(error) + (f"; {fix}" if fix else "")
        raise DamagedFileError(f"{path}: cannot be read as {what}: {reason}") from error


def _reason(error: Exception) -> str:
    """What an exception says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).partition("\n\n")[0].split())
    text = text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} ..."
    if isinstance(error, OSError | ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(error: Exception) -> str:
    """The innermost file and line of an exception that belong neither to gonkit nor to an installed package."""
    installed = [str(Path(__file__).parent), *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))]
    folders = tuple(os.path.realpath(folder) + os.sep for folder in installed)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not os.path.realpath(frame.filename).startswith(folders) and not frame.filename.startswith(GENERATED)
    ]
    if not frames:
        return ""
    return f" ({frames[-1].filename.removeprefix(f'{Path.cwd()}{os.sep}')}, line {frames[-1].lineno})"
