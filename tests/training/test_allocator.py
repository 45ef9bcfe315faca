"""Freed memory is kept or returned to the system."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from gonkit.training.allocator import _library

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_library() is None, reason="the C library here has no mallopt"),
]


START = """
import ctypes
import resource
from pathlib import Path

import torch

from gonkit.training import allocator_policy

SIZE = 48 << 20
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: pages of 4096 bytes, to be counted


def resident():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


def pages(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(SIZE, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


"""


KEEP = """
measured = {"all": SIZE // 4096 * 4, "size": SIZE, "before": pages(4), "at_first": resident()}
with allocator_policy("keep"):
    pages(16)  # until what was freed lies together
    measured |= {"kept": pages(4), "held": resident()}
measured["at_last"] = resident()
print(measured)
"""


RETURN = """
with allocator_policy("return"):
    parts = [torch.ones(2 << 20, dtype=torch.uint8) for _ in range(20)]
    before = resident()
    del parts
    print({"returned": before - resident()})
"""


def output_of(script: str) -> dict[str, int]:
    """What a process of its own prints: the memory of this one has a past."""
    run = subprocess.run([sys.executable, "-c", START + script], capture_output=True, text=True, check=True)
    measured: dict[str, int] = ast.literal_eval(run.stdout)
    return measured


def test_kept_memory_is_used_again_and_returned_at_the_end() -> None:
    measured = output_of(KEEP)
    assert measured["before"] > 0.9 * measured["all"]
    assert measured["kept"] < 0.1 * measured["all"]
    assert measured["held"] > measured["at_first"] + measured["size"] / 2
    assert measured["at_last"] < measured["at_first"] + measured["size"] / 4


def test_returned_memory_is_not_held() -> None:
    assert output_of(RETURN)["returned"] > 30 << 20
