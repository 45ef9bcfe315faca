"""Exceptions that callers may catch, and the exit codes of the commands."""

from __future__ import annotations

__all__ = [
    "DamagedFileError",
    "DivergedError",
    "ExitCode",
    "GonkitError",
    "ProcessLostError",
    "RecipeError",
    "TrainingInterrupted",
]

from enum import IntEnum


class GonkitError(ValueError):
    """A mistake in what a user gave: a file, a folder, a setting, a shape. The message says what to do."""


class DamagedFileError(GonkitError):
    """A file that gonkit did not write, or that is no longer as it wrote it."""


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
