"""Freed memory is kept or given back, as was asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gonkit.allocation import _library, freed_memory

SIZE = 48 << 20

pytestmark = pytest.mark.skipif(_library() is None, reason="the C library here has no mallopt")


def faults() -> int:
    """Pages that this process was given so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def taken(rounds: int = 4) -> int:
    """Pages taken from the system for a tensor that is made and freed again and again, after the first time."""
    torch.ones(SIZE, dtype=torch.uint8)
    before = faults()
    for _ in range(rounds):
        torch.ones(SIZE, dtype=torch.uint8)
    return faults() - before


def resident() -> int:
    """Bytes that this process holds."""
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


def test_kept_memory_is_used_again_and_given_back_at_the_end() -> None:
    pages = SIZE // 4096
    assert taken() > 2 * pages
    before = resident()
    with freed_memory("kept"):
        taken(16)  # until what was freed lies together
        assert taken() < pages / 4
        assert resident() > before + SIZE / 2
    assert resident() < before + SIZE / 4
    assert taken() > 2 * pages


RETURNED = """
import torch
from pathlib import Path
from gonkit.allocation import freed_memory

def resident():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])

with freed_memory("returned"):
    parts = [torch.ones(2 << 20, dtype=torch.uint8) for _ in range(20)]
    before = resident()
    del parts
    print(before - resident())
"""


def test_returned_memory_is_not_held() -> None:
    said = subprocess.run([sys.executable, "-c", RETURNED], capture_output=True, text=True, check=True).stdout
    assert int(said) > 30 << 20
