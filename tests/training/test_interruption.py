"""Ctrl-C and SIGTERM during training."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from gonkit.training.interruption import InterruptHandler


def test_a_signal_waits_for_the_step_and_a_second_ctrl_c_does_not() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with InterruptHandler() as interrupt:
        assert not interrupt.requested
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_threads_than_the_main_one_are_left_alone() -> None:
    handlers = []

    def enter() -> None:
        with InterruptHandler():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
