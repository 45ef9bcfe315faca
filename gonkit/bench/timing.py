"""Seconds and peak memory of a function without arguments."""

from __future__ import annotations

__all__ = [
    "Run",
    "Timings",
    "isolated_peak_mib",
    "peak_rss_kib",
    "synchronize",
    "time_interleaved",
    "time_once",
    "warm_up",
]

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Run = Callable[[], object]
Timings = dict[str, float | None]
"""Results of a benchmark by name; None where a variant cannot run."""


def warm_up(step: Run, device: torch.device) -> bool:
    """Runs a variant twice; False if it fails, as compiled ones do without a compiler."""
    try:
        step()
        step()
        synchronize(device)
    except Exception:
        return False
    return True


def time_interleaved(steps: Mapping[str, Run], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each variant in each round, after a round that is not timed.

    Every round runs all variants, one after the other, so that a slow moment of the machine affects all of them alike.
    """
    times: dict[str, list[float]] = {name: [] for name in steps}
    for index in range(rounds + 1):
        for name, step in steps.items():
            seconds = time_once(step, device)
            if index:
                times[name].append(seconds)
    return times


def time_once(step: Run, device: torch.device) -> float:
    """Seconds of one call, until the device has finished it."""
    synchronize(device)
    started = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - started


def synchronize(device: torch.device) -> None:
    """Waits until the device has finished all work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def isolated_peak_mib(build: Callable[..., Run], *arguments: object, device: torch.device) -> float:
    """Peak memory of a function in a process of its own, in MiB above what that process held before.

    Args:
        build: called as `build(*arguments, device)` in the new process, it returns the function. It must be importable,
            and should call what libraries load on first use, so that this is not counted.
        arguments: which can be pickled.
        device: whose memory is measured.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_peak, (build, arguments, str(device)))


def peak_rss_kib(reset: bool = False) -> float:
    """The largest resident memory that this process had, in KiB; `reset` starts again where the system allows it."""
    status, clear_refs = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if status.exists():  # Linux, where getrusage starts from the parent's value
        if reset and os.access(clear_refs, os.W_OK):
            clear_refs.write_text("5")
        return float(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)


def _measure_peak(build: Callable[..., Run], arguments: tuple[object, ...], device_name: str) -> float:
    device = torch.device(device_name)
    step = build(*arguments, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    held = peak_rss_kib(reset=True)
    step()
    return (peak_rss_kib() - held) / 2**10
