"""Freed memory is kept or given back, as was asked."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from gonkit.allocation import _library

pytestmark = pytest.mark.skipif(_library() is None, reason="the C library here has no mallopt")

START = """
import resource
from pathlib import Path

import torch

from gonkit.allocation import freed_memory

SIZE = 48 << 20


def resident():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


def pages(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(SIZE, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


"""
KEPT = """
found = {"whole": SIZE // 4096 * 4, "size": SIZE, "before": pages(4), "at_first": resident()}
with freed_memory("kept"):
    pages(16)  # until what was freed lies together
    found |= {"kept": pages(4), "held": resident()}
found["at_last"] = resident()
print(found)
"""
RETURNED = """
with freed_memory("returned"):
    parts = [torch.ones(2 << 20, dtype=torch.uint8) for _ in range(20)]
    before = resident()
    del parts
    print({"returned": before - resident()})
"""


def said_by(script: str) -> dict[str, int]:
    """What a process of its own prints: the memory of this one has a past."""
    run = subprocess.run([sys.executable, "-c", START + script], capture_output=True, text=True, check=True)
    found: dict[str, int] = ast.literal_eval(run.stdout)
    return found


def test_kept_memory_is_used_again_and_given_back_at_the_end() -> None:
    found = said_by(KEPT)
    assert found["before"] > 0.9 * found["whole"]
    assert found["kept"] < 0.1 * found["whole"]
    assert found["held"] > found["at_first"] + found["size"] / 2
    assert found["at_last"] < found["at_first"] + found["size"] / 4


def test_returned_memory_is_not_held() -> None:
    assert said_by(RETURNED)["returned"] > 30 << 20
