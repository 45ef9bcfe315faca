"""SIGTERM, as schedulers and torchrun send it: a command ends as after Ctrl-C."""

from __future__ import annotations

__all__ = ["ignore_termination", "sigterm_as_keyboard_interrupt"]

import signal as unix
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_as_keyboard_interrupt() -> Iterator[None]:
    """Inside, the first SIGTERM raises KeyboardInterrupt and later ones are ignored: what it ends ends in order.

    Training defers it to the end of a step; see `gonkit.training.interruption`.
    """
    if threading.current_thread() is not threading.main_thread():  # handlers cannot be set elsewhere
        yield
        return
    previous = unix.signal(unix.SIGTERM, _interrupt)
    try:
        yield
    finally:
        unix.signal(unix.SIGTERM, previous)


def ignore_termination() -> None:
    """From here on a SIGTERM changes nothing: the process is ending, and what it has to say must get out."""
    if threading.current_thread() is threading.main_thread():
        unix.signal(unix.SIGTERM, unix.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    ignore_termination()
    raise KeyboardInterrupt
