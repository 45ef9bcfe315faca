"""Run folders: whole or not there, for one run each, written by one process at a time."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest

from gonkit.errors import GonkitError
from gonkit.pipeline import RunFolder
from gonkit.run import main

Write = Callable[..., Path]
RECIPE = {"recipe.toml": b"name = 'x'", "data.json": b"{}"}
posix = pytest.mark.skipif(os.name != "posix", reason="processes are looked up by their number")


def hold(path: Path) -> None:
    RunFolder(path).lock()
    (path / "held").touch()
    time.sleep(60)


@contextmanager
def holder(path: Path) -> Iterator[int]:
    """Another process that writes to a run and is killed in the end; gives its number."""
    process = get_context("fork").Process(target=hold, args=(path,))
    process.start()
    try:
        while not (path / "held").exists():
            assert process.is_alive()
            time.sleep(0.01)
        assert process.pid is not None
        yield process.pid
    finally:
        process.kill()
        process.join()


def test_runs_that_begin_together_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: RunFolder(None, "x").write(RECIPE), range(24)))
    assert sorted(paths) == [Path("runs", "x", f"{number:04d}") for number in range(1, 25)]
    for path in paths:
        assert {file.name for file in path.iterdir()} == {*RECIPE, "run.lock"}
    assert not [path for path in Path("runs", "x").iterdir() if path.name.startswith(".")]


def test_one_of_two_runs_gets_the_folder_that_both_name(tmp_path: Path) -> None:
    def write(_: int) -> Path | str:
        try:
            return RunFolder.new("x", tmp_path / "run").write(RECIPE)
        except GonkitError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(write, range(4)))
    assert results.count(tmp_path / "run") == 1
    assert sum("exists and is not empty" in str(result) for result in results) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_empty_folder_is_filled_and_another_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")  # cannot be replaced
    assert RunFolder.new("x", tmp_path / "link").write(RECIPE) == tmp_path / "link"
    assert (tmp_path / "empty" / "recipe.toml").read_bytes() == RECIPE["recipe.toml"]
    (tmp_path / "file").touch()
    for path in (tmp_path / "link", tmp_path / "file"):
        with pytest.raises(GonkitError, match="exists and is not empty"):
            RunFolder.new("x", path)
        with pytest.raises(GonkitError, match="exists and is not empty"):
            RunFolder(path if path.is_file() else tmp_path).write(RECIPE)
    with pytest.raises(GonkitError, match="this run folder cannot be made"):
        RunFolder.new("x", tmp_path / "file" / "run").write(RECIPE)


@posix
def test_a_run_that_another_process_writes_to_is_refused_with_its_name(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main([str(recipe()), "--out", str(folder), "--quiet", "--stop-after", "4"]) == 3
    assert not (folder / "run.lock").exists()
    with holder(folder) as process:
        capsys.readouterr()
        assert main(["--resume", str(folder), "--quiet"]) == 2
        assert capsys.readouterr().err == (
            f"error: {folder}: process {process} on {socket.gethostname()} is writing to this run; wait for it, or "
            f"stop it. If it is gone, remove {folder / 'run.lock'}\n"
        )
        assert json.loads((folder / "run.lock").read_text())["process"] == process
    assert (folder / "run.lock").exists()  # it was killed
    assert main(["--resume", str(folder), "--quiet"]) == 0
    assert not (folder / "run.lock").exists()


@posix
def test_a_process_that_got_the_number_of_one_that_is_gone_does_not_count(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    lock = folder.write(RECIPE) / "run.lock"
    own = json.loads(lock.read_text())
    with pytest.raises(GonkitError, match=f"process {os.getpid()} on"):
        RunFolder(folder.path).lock()
    if own["started"]:
        lock.write_text(json.dumps(own | {"started": "0"}))
        RunFolder(folder.path).lock()
        assert json.loads(lock.read_text()) == own
    lock.write_text(json.dumps(own | {"host": "elsewhere", "process": 1, "started": "1"}))
    with pytest.raises(GonkitError, match="process 1 on elsewhere is writing to this run"):
        RunFolder(folder.path).lock()
    folder.release()
    assert lock.exists()  # it is another's
    lock.write_text("{")  # never completed
    RunFolder(folder.path).lock()
    folder.release()
    assert not lock.exists()


def test_a_run_that_cannot_begin_leaves_nothing(recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe()
    monkeypatch.chdir(tmp_path)
    assert main([str(path), "--quiet", "--set", "signal.data=/nowhere"]) == 2
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
