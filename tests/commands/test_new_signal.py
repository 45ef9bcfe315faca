"""gonkit new-signal: what it writes works as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gonkit.cli import main
from tests.conftest import ROOT


@pytest.mark.slow
def test_the_new_type_passes_its_test_and_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-signal", "wind_field"]) == 0
    assert "gonkit check wind_field.py:WindField\n  gonkit run wind_field.toml\n" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"wind_field.py", "wind_field.toml", "test_wind_field.py"}
    assert main(["check", "wind_field.py:WindField", "--seconds", "60"]) == 0
    assert "\ngood: 9" in capsys.readouterr().out
    assert main(["run", "wind_field.toml", "--quiet", "--set", "train.steps=3"]) == 0
    assert (tmp_path / "runs" / "wind_field" / "0001" / "report.html").is_file()
    test = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_wind_field.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert test.returncode == 0, test.stdout
    assert "3 passed" in test.stdout


def test_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wind.toml").write_text("mine")
    assert main(["new-signal", "wind"]) == 2
    assert capsys.readouterr().err == "error: wind.toml: there already; choose another name, or move them away\n"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Wind", "expected a name in lower-case letters"),
        ("wind-field", "expected a name in lower-case letters"),
        ("class", "expected a name in lower-case letters"),
        ("torch", "torch.py would hide the module of that name"),
        ("signals", "signals.py would hide the module of that name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-signal", name]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
