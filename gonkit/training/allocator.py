"""What the C library does with freed memory of tensors on the CPU."""

from __future__ import annotations

__all__ = ["allocator_policy"]

import ctypes
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4  # mallopt's parameters, from malloc.h of the GNU C library
DEFAULT = {TRIM_THRESHOLD: 64 << 20, MMAP_THRESHOLD: 32 << 20, MMAP_MAX: 65_536}  # where its own adaptation ends
KEEP = DEFAULT | {TRIM_THRESHOLD: -1, MMAP_MAX: 0}
RETURN = DEFAULT | {MMAP_THRESHOLD: 128 << 10}


@contextmanager
def allocator_policy(policy: Literal["keep", "return"]) -> Iterator[None]:
    """Within a block, keeps freed memory for the next allocation, or returns it to the system at once.

    By default large tensors get fresh memory from the system each time, zeroed page by page, which takes a third to a
    half of a training step. Kept memory may be twice what is in use at once. Does nothing without the GNU C library.
    At the end the default is restored, and free memory is returned.
    """
    library = _library()
    if library is None:
        yield
        return
    _set(library, KEEP if policy == "keep" else RETURN)
    try:
        yield
    finally:
        _set(library, DEFAULT)
        library.malloc_trim(0)


def _library() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def _set(library: ctypes.CDLL, options: Mapping[int, int]) -> None:
    for parameter, value in options.items():
        library.mallopt(parameter, value)
