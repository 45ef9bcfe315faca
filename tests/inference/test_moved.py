"""Models whose signal type or data is no longer where it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as pillow

import gonkit
from gonkit.cli import main
from gonkit.errors import GonkitError
from tests.conftest import ROOT
from tests.data.fields import Field

SOURCE = "from tests.data.fields import Field\n\n\nclass Mine(Field):\n    scale: float = 1.0\n"
SMALL = {"field": {"width": 16, "layers": 2}, "latent": {"dim": 4}, "train": {"steps": 2, "compile": False}}
NOTEBOOK = f"""
import gonkit
from tests.data.fields import Field

class Mine(Field):
    scale: float = 1.0

model, folder = gonkit.train({{"name": "x", "signal": Mine(scale=2.0), **{SMALL}}}, out="run", quiet=True)
assert gonkit.load(folder).task == Mine(scale=2.0, type="__main__:Mine")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a type of its own and a run, which has been renamed since."""
    project = tmp_path / "before"
    project.mkdir()
    (project / "mine.py").write_text(SOURCE)
    run = project / "runs" / "x" / "0001"
    gonkit.train(
        {"name": "x", "signal": {"type": f"{project / 'mine.py'}:Mine", "scale": 3.0}, **SMALL}, out=run, quiet=True
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return project.rename(tmp_path / "after")


def test_a_type_is_found_in_the_project_that_holds_the_run(project: Path) -> None:
    task = gonkit.load(project / "runs" / "x" / "0001").task
    assert task.type == f"{project / 'mine.py'}:Mine"
    assert task.scale == 3.0
    assert main(["sample", str(project / "runs" / "x" / "0001"), "--count", "1"]) == 0
    assert main(["run", "--resume", str(project / "runs" / "x" / "0001"), "--quiet"]) == 0


def test_a_type_is_found_beside_the_model_and_in_the_working_directory(project: Path, tmp_path: Path) -> None:
    model = (project / "runs" / "x" / "0001" / "model.safetensors").rename(tmp_path / "elsewhere" / "model.safetensors")
    for folder in (tmp_path / "elsewhere", tmp_path):
        (project / "mine.py").rename(folder / "mine.py")
        assert gonkit.load(model).task.type == f"{folder / 'mine.py'}:Mine"
        (folder / "mine.py").rename(project / "mine.py")


def test_a_type_that_is_not_found_can_be_given(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(project / "runs" / "x" / "0001")
    (project / "mine.py").rename(tmp_path / "elsewhere" / "other.py")
    for command in (["sample", run], ["evaluate", run], ["latents", run], ["export", run], ["run", "--resume", run]):
        assert main(command) == 2
        message = capsys.readouterr().err
        assert f"no file {tmp_path / 'before' / 'mine.py'}; looked for " in message
        assert f"{project / 'mine.py'} and {tmp_path / 'elsewhere' / 'mine.py'}" in message
        assert "if it moved, name it with --signal FILE.py:CLASS or signal= where a run is opened" in message
    given = ["--signal", "other.py:Mine"]
    for command in (
        ["sample", run, "--count", "1"],
        ["evaluate", run],
        ["latents", run],
        ["export", run, "--count", "1"],
    ):
        assert main(command + given) == 0
    assert gonkit.load(run, signal="other.py:Mine").task.scale == 3.0
    with pytest.raises(GonkitError, match=r"signal\.scale: there is no such key"):
        gonkit.load(run, signal=Field)
    assert gonkit.load(run, signal=Field(shape=[6, 8])).task.shape == [6, 8]
    with pytest.raises(GonkitError, match="cannot be read as a model of its recipe"):
        gonkit.load(run, signal=Field(channel_count=2))


def test_data_that_moved_is_named_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("before").mkdir()
    for number in range(8):
        pillow.new("L", (8, 8), 30 * number).save(Path("before", f"{number}.png"))
    signal = {"type": "signals.image:Image", "data": "before", "size": 8}
    gonkit.train({"name": "x", "signal": signal, **SMALL}, out="run", quiet=True)
    Path("before").rename("after")
    for command in ("evaluate", "latents"):
        assert main([command, "run"]) == 2
        assert "no such folder" in capsys.readouterr().err
        assert main([command, "run", "--data", "after"]) == 0
    model = gonkit.load("run", data="after")
    assert sum(len(model.dataset(split)) for split in ("train", "val", "test")) == 8


@pytest.mark.slow
def test_a_type_that_a_notebook_defines_is_passed_to_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = subprocess.run(
        [sys.executable], input=NOTEBOOK, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, timeout=100,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr

    class Mine(Field):
        scale: float = 1.0

    with pytest.raises(GonkitError, match=r"Mine was defined in a notebook or script.*pass the class with signal="):
        gonkit.load(tmp_path / "run")
    assert gonkit.load(tmp_path / "run", signal=Mine).task.scale == 2.0
    (tmp_path / "mine.py").write_text(SOURCE)
    given = ["--signal", f"{tmp_path / 'mine.py'}:Mine"]
    assert main(["evaluate", str(tmp_path / "run"), *given]) == 0


def test_a_type_that_cannot_be_imported_trains_and_is_passed_to_load(tmp_path: Path) -> None:
    class Local(Field):
        pass

    gonkit.train({"name": "x", "signal": Local(shape=[4, 4]), **SMALL}, out=tmp_path / "run", quiet=True)
    with pytest.raises(GonkitError, match=r"signal\.type"):
        gonkit.load(tmp_path / "run")
    assert gonkit.load(tmp_path / "run", signal=Local).task.shape == [4, 4]
