"""How much a file or a setting may ask for, before any memory is given to it."""

from __future__ import annotations

__all__ = [
    "MAX_EXPANSION",
    "MAX_FILTER",
    "MAX_LAYERS",
    "MAX_UNITS",
    "MAX_VALUES",
    "require_at_most",
    "require_bytes",
]

from pathlib import Path

from gonkit.errors import GonkitError

MAX_VALUES = 1 << 30
"""Numbers of one array, one signal, one grid or one network."""
MAX_EXPANSION = 1 << 12
"""Bytes that a compressed file may hold for each of its own; zip and gzip reach 1,032."""
FREE_BYTES = 1 << 26  # held by any file, whatever its own size
MAX_FILTER = 1 << 24
"""Numbers of the filter that changes a rate."""
MAX_UNITS = 1 << 16
"""Units of a layer, and entries of a latent."""
MAX_LAYERS = 1 << 10
"""Layers of a network."""


def require_at_most(place: str | Path, count: int, limit: int, noun: str, fix: str = "") -> None:
    """Checks a number that a file or a setting declares.

    Args:
        place: of what declares it.
        count: what it declares.
        limit: the largest number that is read.
        noun: what is counted, in the plural.
        fix: what to do about it.

    Raises:
        GonkitError: more than the limit, or a negative number.

    Example:
        >>> require_at_most("big.h5", 10**12, MAX_VALUES, "values")
        Traceback (most recent call last):
        gonkit.errors.GonkitError: big.h5: declares 1,000,000,000,000 values; the limit is 1,073,741,824
    """
    if not 0 <= count <= limit:
        raise GonkitError(f"{place}: declares {count:,} {noun}; the limit is {limit:,}" + (f"; {fix}" if fix else ""))


def require_bytes(path: Path, count: int) -> None:
    """Checks the bytes that a file declares to hold when it is unpacked.

    Raises:
        GonkitError: more than `MAX_EXPANSION` times its own size, and more than 64 MiB.
    """
    require_at_most(path, count, max(FREE_BYTES, MAX_EXPANSION * path.stat().st_size), "bytes in a file of its size")
