"""What the C library does with memory that tensors on the CPU no longer need."""

from __future__ import annotations

__all__ = ["freed_memory"]

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4  # mallopt's parameters, from malloc.h of the GNU C library
USUAL = {TRIM_THRESHOLD: 64 << 20, MMAP_THRESHOLD: 32 << 20, MMAP_MAX: 65_536}  # where its own adaptation ends
KEPT = USUAL | {TRIM_THRESHOLD: -1, MMAP_MAX: 0}
RETURNED = USUAL | {MMAP_THRESHOLD: 128 << 10}


@contextmanager
def freed_memory(what: Literal["kept", "returned"]) -> Iterator[None]:
    """Keeps freed memory for what is allocated next, or gives it back to the system at once, within a block.

    Without it large tensors come from the system anew each time, zeroed page by page, which takes a third to a half of
    a training step; kept memory may hold twice what lives at once. Does nothing where there is no GNU C library. At
    the end all is as usual, and what is free is given back.
    """
    library = _library()
    if library is None:
        yield
        return
    _set(library, KEPT if what == "kept" else RETURNED)
    try:
        yield
    finally:
        _set(library, USUAL)
        library.malloc_trim(0)


def _library() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def _set(library: ctypes.CDLL, wishes: dict[int, int]) -> None:
    for parameter, value in wishes.items():
        library.mallopt(parameter, value)
