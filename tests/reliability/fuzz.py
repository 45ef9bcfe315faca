"""Damages files of every kind that gonkit reads, and reads them: a result or a GonkitError is right, all else is not.

    python tests/reliability/fuzz.py --count 10000 --seed 1
    python tests/reliability/fuzz.py --replay picture.png:4711

What is done to a file depends on its kind and the number of the input alone, by which a failure can be replayed (but
for Ogg: a good file of it has a random number). A process of its own reads inputs, with limits on memory and time.
"""

from __future__ import annotations

import argparse
import importlib
import io
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":  # run as a file
    sys.path.insert(0, str(Path(__file__).parents[2]))

from gonkit.errors import GonkitError
from tests.reliability.kinds import Kind
from tests.reliability.mutations import mutate

SECONDS = 20.0  # that reading an input may take
MEMORY = 2 << 30  # bytes that it may take
ADDRESSES = 6 << 30  # bytes of addresses that it may reserve, most of which a good reader leaves untouched
KINDS = "tests.reliability.kinds:KINDS"


@dataclass(frozen=True)
class Failure:
    """An input that was neither read nor refused.

    Attributes:
        kind: name of the kind of file.
        number: of the input.
        changes: what was done to a good file.
        problem: what happened.
    """

    kind: str
    number: int
    changes: Sequence[str]
    problem: str

    def __str__(self) -> str:
        return f"--replay {self.kind}:{self.number}  ({', '.join(self.changes)})\n{self.problem}"


def fuzz(count: int, seed: int) -> Iterator[Failure]:
    """Reads `count` inputs, of all kinds in turn, and yields those that failed.

    Args:
        count: of inputs.
        seed: number of the first one; the others follow.
    """
    names = list(_load(KINDS))
    return read_inputs([(names[number % len(names)], number) for number in range(seed, seed + count)])


def read_inputs(
    inputs: Iterable[tuple[str, int]], kinds: str = KINDS, seconds: float = SECONDS, memory: int = MEMORY
) -> Iterator[Failure]:
    """Reads inputs and yields those that failed; after each failure, in a process that is started anew.

    Args:
        inputs: the kind and the number of each.
        kinds: `module:name` of a mapping of kinds.
        seconds: that reading one may take.
        memory: bytes that the process may take beyond what reading good files takes.
    """
    context, loaded = multiprocessing.get_context("forkserver"), _load(kinds)
    context.set_forkserver_preload(["tests.reliability.kinds", kinds.partition(":")[0]])  # processes start at once
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder, "seeds")
        for name, kind in loaded.items():
            (seeds / name).mkdir(parents=True)
            kind.make(seeds / name / kind.file)
        waiting, more = iter(inputs), True
        while more:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, Path(folder), kinds, memory), daemon=True)
            process.start()
            theirs.close()
            ours.recv()  # that it is ready
            problem = None
            for name, number in waiting:
                if (problem := _ask(ours, name, number, seconds)) is not None:
                    break
            process.kill()
            process.join()
            shutil.rmtree(Path(folder, "work"))
            more = problem is not None
            if problem is not None:
                yield Failure(name, number, damage(loaded[name], name, number, seeds)[1], problem)


def damage(kind: Kind, name: str, number: int, seeds: Path) -> tuple[bytes, list[str]]:
    """The content of an input, and what was done to a good file."""
    random = Random(f"{name}:{number}")
    good = (seeds / name / kind.file).read_bytes()
    other = random.choice([path for path in sorted(seeds.glob("*/*")) if path.is_file()]).read_bytes()
    part, changes = mutate(random, kind.unpack(good), other)
    return kind.pack(good, part), changes


def work(pipe: Connection, folder: Path, kinds: str, memory: int) -> None:
    """Reads the inputs that a pipe names, and answers with what was wrong, or None."""
    loaded = _load(kinds)
    place, elsewhere, seeds = folder / "work" / "input", folder / "work" / "elsewhere", folder / "seeds"
    elsewhere.mkdir(parents=True)
    for name, kind in loaded.items():  # imports what is needed, and takes the memory that every reading takes
        shutil.copytree(seeds / name, folder / "work" / "warm" / name)
        kind.read(folder / "work" / "warm" / name / kind.file)
    os.chdir(elsewhere)
    os.environ["TMPDIR"] = tempfile.tempdir = str(elsewhere)
    resource.setrlimit(resource.RLIMIT_AS, (_reserved() + ADDRESSES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    watch = Watch(place)
    before = _peak()
    pipe.send(None)
    while True:
        name, number = pipe.recv()
        place.mkdir()
        path = place / loaded[name].file
        path.write_bytes(damage(loaded[name], name, number, seeds)[0])
        problem = _read(loaded[name], path, watch)
        if problem is None and _peak() - before > memory:
            problem = f"took {(_peak() - before) >> 20} MiB"
        if problem is None and any(elsewhere.iterdir()):
            problem = f"left {[one.name for one in elsewhere.iterdir()]} outside its folder"
        shutil.rmtree(place)
        pipe.send(problem)


class Watch:
    """Notes what Python code does outside a folder: files that it writes, and programs that it starts."""

    def __init__(self, folder: Path) -> None:
        self.inside = (str(folder), "/dev/")
        self.noted: list[str] = []
        self.active = False
        sys.addaudithook(self.see)

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "open" and isinstance(arguments[0], str | bytes):
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not os.fsdecode(arguments[0]).startswith(self.inside):
                self.noted.append(f"wrote {arguments[0]!r}")
        elif event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "socket.connect"):
            self.noted.append(f"{event} {arguments[:2]}")


def _read(kind: Kind, path: Path, watch: Watch) -> str | None:
    watch.noted.clear()
    watch.active = True
    try:
        nowhere = io.StringIO()
        with redirect_stdout(nowhere), redirect_stderr(nowhere), warnings.catch_warnings(action="ignore"):
            kind.read(path)
    except GonkitError:
        pass
    except BaseException:  # of decoders written in other languages too
        return traceback.format_exc(limit=-8)
    finally:
        watch.active = False
    return "; ".join(watch.noted) or None


def _ask(worker: Connection, kind: str, number: int, seconds: float) -> str | None:
    """What went wrong with an input; None if nothing did."""
    try:
        worker.send((kind, number))
        if not worker.poll(seconds):
            return f"no answer after {seconds:g} s"
        answer: str | None = worker.recv()
    except (EOFError, ConnectionError):
        return "the process that read it died"
    return answer


def _load(path: str) -> Mapping[str, Kind]:
    """The kinds that `module:name` names."""
    module, _, name = path.partition(":")
    kinds: Mapping[str, Kind] = getattr(importlib.import_module(module), name)
    return kinds


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _reserved() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main() -> int:
    """Reads as many inputs as a user asks for; returns 1 if some failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="inputs (default 1000)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first input (default 0)")
    parser.add_argument("--kind", action="append", help="of files, instead of all; may be repeated")
    parser.add_argument("--replay", metavar="KIND:NUMBER", help="read one input again")
    options = parser.parse_args()
    names = options.kind or list(_load(KINDS))
    numbers = range(options.seed, options.seed + options.count)
    inputs = [(names[number % len(names)], number) for number in numbers]
    if options.replay:
        kind, _, number = options.replay.rpartition(":")
        inputs = [(kind, int(number))]
    start, failed = time.monotonic(), Counter[str]()

    def counted() -> Iterator[tuple[str, int]]:
        for done, one in enumerate(inputs):
            if done and done % 1000 == 0:
                print(f"{done:,} inputs, {time.monotonic() - start:.0f} s, failed: {dict(failed)}", flush=True)
            yield one

    for failure in read_inputs(counted()):
        failed[failure.kind] += 1
        print(failure, end="\n\n", flush=True)
    seconds = time.monotonic() - start
    print(
        f"{len(inputs):,} inputs of {len({kind for kind, _ in inputs})} kinds, {seconds:.0f} s, failed: {dict(failed)}"
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
