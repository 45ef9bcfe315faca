"""Run folders: made whole or not at all, each for one run, and written by one process at a time."""

from __future__ import annotations

__all__ = ["RunFolder"]

import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gonkit.errors import GonkitError
from gonkit.files import write_bytes
from gonkit.inference import RECIPE_FILE

LOCK_FILE = "run.lock"


class RunFolder:
    """The folder of a run: of one to resume, or a new one, which is made when the run has something to write.

    Args:
        path: of the folder; None for runs/NAME/0001, with the next number that is free when the folder is made.
        name: of the recipe.

    Attributes:
        path: of the folder; None as long as its number is open.
    """

    def __init__(self, path: Path | None, name: str = "") -> None:
        self.path, self.name = path, name

    @staticmethod
    def new(name: str, out: Path | None, restarted: bool = False) -> RunFolder:
        """The folder of a new run; after a restart by torchrun, the one in which it began.

        Args:
            name: of the recipe.
            out: the folder that a user names; None for the next free number.
            restarted: by torchrun.

        Raises:
            GonkitError: `out` exists and is not empty.
        """
        if out is None:
            numbers = _numbers(name) if restarted else []
            return RunFolder(_numbered(name, max(numbers)) if numbers else None, name)
        folder = RunFolder(out, name)
        if not (restarted and folder.exists):
            _require_empty(out)
        return folder

    @property
    def exists(self) -> bool:
        """Whether there is a run in the folder."""
        return self.path is not None and (self.path / RECIPE_FILE).is_file()

    def lock(self) -> None:
        """Makes this the process that writes to the folder, if it exists; `write` does so if it does not.

        Raises:
            GonkitError: another process is writing to it. One that is gone counts only on another machine, where that
                cannot be seen.
        """
        if not self.exists or self.path is None:
            return
        with _taking_turns(self.path):
            path = self.path / LOCK_FILE
            if (holder := _read_lock(path)) is not None and _may_be_running(holder):
                host, process = holder["host"], holder["process"]
                raise GonkitError(
                    f"{self.path}: process {process} on {host} is writing to this run; wait for it, or stop it. If it "
                    f"is gone, remove {path}"
                )
            write_bytes(path, _own_lock())

    def release(self) -> None:
        """Lets other processes write to the folder."""
        if self.path is not None and (path := self.path / LOCK_FILE).is_file() and path.read_bytes() == _own_lock():
            path.unlink()

    def write(self, files: Mapping[str, bytes]) -> Path:
        """Writes files, the recipe among them, and makes the folder, with them in it and locked, if there is none.

        Returns:
            The path of the folder.

        Raises:
            GonkitError: it cannot be made, or another run has made it meanwhile.
        """
        if not self.exists or self.path is None:
            self.path = self._make(dict(files) | {LOCK_FILE: _own_lock()})
            return self.path
        for name, content in files.items():
            write_bytes(self.path / name, content)
        return self.path

    def _make(self, files: Mapping[str, bytes]) -> Path:
        path = self.path or _numbered(self.name, max(_numbers(self.name), default=0) + 1)
        draft = path.with_name(f".{secrets.token_hex(6)}.part")
        try:
            for name, content in files.items():
                write_bytes(draft / name, content)
            while not _publish(draft, path):
                if self.path is not None:
                    _require_empty(path)
                path = _numbered(self.name, int(path.name) + 1)
        except OSError as error:
            raise GonkitError(f"{path}: this run folder cannot be made: {error}") from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return path


def _numbers(name: str) -> list[int]:
    return [int(path.name) for path in Path("runs", name).glob("[0-9]*") if path.name.isdigit()]


def _numbered(name: str, number: int) -> Path:
    return Path("runs", name, f"{number:04d}")


def _require_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise GonkitError(f"{out}: exists and is not empty; resume it with --resume {out}, or name another folder")


def _publish(draft: Path, path: Path) -> bool:
    """Gives a folder its name, in one step; false if there is something of that name."""
    try:
        draft.rename(path)  # an empty folder is replaced, another one is not
    except OSError:
        if not path.exists():
            raise
        return path.is_dir() and _fill(draft, path)
    return True


def _fill(draft: Path, path: Path) -> bool:
    """Moves files to an empty folder that cannot be replaced, such as a mounted one; false if it is not empty."""
    if any(path.iterdir()):
        return False
    try:
        with (path / LOCK_FILE).open("xb") as lock:
            lock.write((draft / LOCK_FILE).read_bytes())
    except FileExistsError:
        return False
    for file in draft.iterdir():
        file.replace(path / file.name)
    return True


@contextmanager
def _taking_turns(folder: Path) -> Iterator[None]:
    """No two processes are inside at once, where the system can lock folders."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network folders cannot be locked
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _own_lock() -> bytes:
    process = os.getpid()
    return json.dumps({"host": socket.gethostname(), "process": process, "started": _start_of(process)}).encode()


def _read_lock(path: Path) -> dict[str, str | int] | None:
    """What a lock says; None if there is none, or one that was not completed."""
    try:
        lock = json.loads(path.read_bytes())
        return {"host": str(lock["host"]), "process": int(lock["process"]), "started": str(lock["started"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _may_be_running(holder: Mapping[str, str | int]) -> bool:
    """Whether the process that a lock names is running, as far as that can be seen from this machine."""
    process = int(holder["process"])
    if holder["host"] != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return holder["started"] == _start_of(process)  # else its number has been given to another one


def _start_of(process: int) -> str:
    """When a process was started, in the system's own count; empty where that is not known."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
