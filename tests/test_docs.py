"""What the documentation tells its reader to write, works as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image

import gonkit
from gonkit.cli import main
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "own-signals.md"


def documented_files() -> dict[str, str]:
    """Names and texts of the files on the page about signal types of one's own."""
    return dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE.read_text(), re.S))


def write_documented_files(folder: Path) -> None:
    """Writes them to a folder."""
    for name, text in documented_files().items():
        (folder / name).write_text(text)


def test_the_page_has_the_files_that_are_tested() -> None:
    files = documented_files()
    types = {"globe", "clip", "stations"}
    assert files.keys() == {f"{name}.{suffix}" for name in types for suffix in ("py", "toml")} | {"sharp.py"}
    assert len(files["globe.py"].splitlines()) <= 30


@pytest.mark.slow
def test_the_documented_signal_type_trains_and_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_documented_files(tmp_path)
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


@pytest.mark.slow
def test_the_documented_video_is_learned_and_saved_as_animations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_documented_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "clip.toml", "--quiet", "--set", "train.steps=100", "--set", "signal.videos=100"]) == 0
    assert main(["sample", "runs/clip/0001", "--count", "1", "--resolution", "32"]) == 0
    with Image.open("sample/sample_00.gif") as animation:
        assert (animation.size, animation.n_frames) == ((32, 32), 16)
    page = Path("runs/clip/0001/report.html").read_text()
    assert page.count('.gif"><img src="data:image/png') == 20
    evaluation = json.loads(Path("runs/clip/0001/evaluation.json").read_text())
    assert evaluation["psnr"] > 17  # 15.8 for the mean


@pytest.mark.slow
def test_the_documented_stations_are_learned_from_what_was_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_documented_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "stations.toml", "--quiet", "--set", "train.steps=150"]) == 0
    assert json.loads(Path("runs/stations/0001/evaluation.json").read_text())["psnr"] > 25  # 20.7 for the mean
    assert main(["sample", "runs/stations/0001", "--resolution", "64", "--suffix", ".png", "--count", "1"]) == 0
    with Image.open("sample/sample_00.png") as chart:
        assert chart.size == (64, 64)


def test_the_documented_metric_is_added_to_the_built_in_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_documented_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    settings = {"field": {"width": 16, "layers": 2}, "latent": {"dim": 4}, "train": {"steps": 3, "compile": False}}
    recipe = {"name": "sharp", "signal": {"type": "sharp.py:Sharp", "data": "digits"}, **settings}
    gonkit.train(recipe, out=tmp_path / "run", quiet=True)
    assert {"ssim", "sharpness", "pca_sharpness"} <= json.loads(
        (tmp_path / "run" / "evaluation.json").read_text()
    ).keys()


@pytest.mark.parametrize("kind", ["globe.py:Globe", "clip.py:Clip", "stations.py:Stations", "sharp.py:Sharp"])
def test_the_documented_types_keep_their_contract(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_documented_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["check", kind, "--steps", "0"]) == 0
    assert f"contract: kept by {kind.split(':')[1]}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_documented_commands_work_from_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"```sh\n(gonkit new-signal.*?)```", PAGE.read_text(), re.S)[0].splitlines()
    assert len(commands) == 4
    quick = {"check": ["--steps", "3"], "run": ["--quiet", "--set", "train.steps=3"], "sample": ["--count", "2"]}
    for command in commands:
        arguments = command.split()[1:]
        assert main([*arguments, *quick.get(arguments[0], [])]) == 0
    assert sorted(path.name for path in Path("sample").iterdir()) == ["sample_00.png", "sample_01.png"]


def test_the_documented_arrays_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = re.findall(
        r'```python title="make_arrays.py"\n(.*?)```', (ROOT / "docs" / "arrays.md").read_text(), re.S
    )
    monkeypatch.chdir(tmp_path)
    exec(compile(script.replace("1000", "20"), "make_arrays.py", "exec"), {})
    shapes = {path.stem: numpy.load(path).shape for path in tmp_path.glob("*.npy")}
    assert shapes == {"beats": (20, 200), "blobs": (20, 8, 12, 12), "balls": (20, 6, 16, 16)}
    assert main(["check", "balls.npy", "--write", "balls.toml", "--set", 'signal.axes=["time", "y", "x"]']) == 0
    assert 'axes = [\n    "time",' in (tmp_path / "balls.toml").read_text()
