"""Damaged files of every kind are read or refused; and the fuzzer sees what is neither."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from gonkit.errors import GonkitError
from tests.reliability.fuzz import fuzz, read_inputs
from tests.reliability.kinds import KINDS, Kind

MEMORY = 100 << 20  # bytes


def planted(fault: Callable[[Path], Any]) -> Kind:
    """A kind whose good file is read, and whose damaged files are met with a fault."""

    def read(path: Path) -> None:
        if path.parent.name == "input":
            fault(path)

    return Kind("file.txt", lambda path: path.write_text("good"), read)


def refuse(path: Path) -> None:
    raise GonkitError(f"{path}: damaged")


def fill_memory(path: Path) -> None:
    numpy.ones(2 * MEMORY, numpy.int8)


PLANTED = {
    "refused": planted(refuse),
    "key error": planted(lambda path: {}["missing"]),
    "hang": planted(lambda path: time.sleep(30)),
    "memory": planted(fill_memory),
    "addresses": planted(lambda path: numpy.empty(1 << 40)),
    "written": planted(lambda path: path.parent.with_name("elsewhere.txt").write_text("")),
    "left": planted(lambda path: os.mkfifo("pipe")),
    "program": planted(lambda path: subprocess.run(["true"], check=True)),
    "died": planted(lambda path: os.abort()),
}


@pytest.mark.parametrize("name", KINDS)
def test_files_that_are_not_changed_are_read(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    path = tmp_path / kind.file
    kind.make(path)
    good = path.read_bytes()
    path.write_bytes(kind.pack(good, kind.unpack(good)))
    kind.read(path)


@pytest.mark.slow
def test_damaged_files_are_read_or_refused() -> None:
    failures = list(fuzz(400, seed=0))
    assert not failures, "\n\n".join(map(str, failures))


@pytest.mark.slow
def test_the_fuzzer_sees_faults() -> None:
    inputs = [(name, 1) for name in PLANTED]
    failures = read_inputs(inputs, "tests.reliability.test_fuzzing:PLANTED", seconds=3.0, memory=MEMORY)
    found = {one.kind: one.problem for one in failures}
    expected = {
        "key error": "KeyError: 'missing'",
        "hang": "no answer after 3 s",
        "memory": "took ",
        "addresses": "MemoryError",
        "written": "elsewhere.txt",
        "left": "left ['pipe'] outside its folder",
        "program": "subprocess.Popen",
        "died": "the process that read it died",
    }
    assert found.keys() == expected.keys()
    for name, problem in expected.items():
        assert problem in found[name]
