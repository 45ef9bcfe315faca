"""Ctrl-C and SIGTERM during training."""

from __future__ import annotations

__all__ = ["InterruptHandler"]

import signal as unix
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class InterruptHandler:
    """Defers SIGINT and SIGTERM until the step ends; a second Ctrl-C interrupts at once.

    Attributes:
        requested: whether a signal came.
    """

    def __init__(self) -> None:
        self.requested = False
        self.previous: dict[unix.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # handlers cannot be set elsewhere
            self.previous = {number: unix.signal(number, self._handle) for number in (unix.SIGINT, unix.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.previous.items():
            unix.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == unix.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
