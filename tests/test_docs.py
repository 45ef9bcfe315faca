"""What the documentation tells its reader to write, works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from gonkit.cli import main
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "own-signals.md"


def documented_files() -> dict[str, str]:
    """Names and texts of the files on the page about signal types of one's own."""
    return dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE.read_text(), re.S))


@pytest.mark.slow
def test_the_documented_signal_type_trains_and_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = documented_files()
    assert files.keys() == {"globe.py", "globe.toml"}
    assert len(files["globe.py"].splitlines()) <= 30
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", "gonkit.run", "globe.toml", "--quiet", "--set", "train.steps=150"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    metrics = dict(line.split() for line in run.stdout.splitlines() if len(line.split()) == 2)
    assert float(metrics["psnr"]) > 30
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "runs/globe/0001", "--resolution", "48", "--count", "2"]) == 0
    arrays = sorted((tmp_path / "sample").glob("*.npy"))
    assert [numpy.load(path).shape for path in arrays] == [(48, 96, 1)] * 2
    assert main(["sample", "runs/globe/0001", "--count", "2", "--suffix", ".png"]) == 0
    assert len(list((tmp_path / "sample").glob("*.png"))) == 2
