"""gonkit check, of folders and of signal types."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
from PIL import Image

from gonkit.cli import main
from gonkit.errors import GonkitError
from gonkit.pipeline import Trial
from gonkit.recipe import recipe_from_dict
from tests.conftest import ROOT, changed_recipe

RAMPS = '''
"""Ramps of three slopes, with some points missing."""

import torch
from gonkit import Batch, Grid, InMemoryDataset, Signal, split_indices
from gonkit.data import DatasetInfo


class Ramp(Signal):
    width: int = 1
    count: int = 30

    @property
    def channels(self):
        return self.width

    def grid(self, resolution=None):
        return Grid.corners(resolution or 20)

    def dataset(self, split):
        index, points = split_indices(self.count, split), self.grid().coords
        values = (index % 3).view(-1, 1, 1) / 4 * (1 + points) + 0.1
        mask = torch.ones(len(index), 20, dtype=torch.bool)
        mask[:, 0] = False
        values[:, 0] = torch.nan
        batch = Batch(points, values, mask, label=index % 3)
        return InMemoryDataset(batch, DatasetInfo(class_names=("flat", "half", "steep")))
'''


@pytest.fixture
def ramps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ramp.py").write_text(RAMPS)
    monkeypatch.chdir(tmp_path)


def test_check_inspects_every_file_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sub").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "sub" / "good.png")
    (tmp_path / "notes.txt").write_text("not a signal")
    assert main(["check", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        str(Path("sub", "good.png")): {"width": "8", "height": "8", "verdict": "good"}
    }
    (tmp_path / "bad.png").write_text("no picture")
    assert main(["check", str(tmp_path), "--type", "signals.image:Image"]) == 2
    output = capsys.readouterr()
    assert output.err == "error: 1 of 2 files cannot be used\n"
    assert "cannot be read as a picture" in output.out
    assert main(["check", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--type", "signals.audio:Audio"]) == 2
    assert "no files in it or below that Audio reads" in capsys.readouterr().err


def test_check_names_pictures_and_sounds_that_teach_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    assert main(["check", str(tmp_path)]) == 0
    assert "1 × 1 pixels are too few" in capsys.readouterr().out
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    tone = 0.5 * numpy.sin(numpy.arange(8000) / 5)
    soundfile.write(sounds / "late.wav", numpy.concatenate((numpy.zeros(8000), tone)), 8000)
    soundfile.write(sounds / "loud.wav", 3 * tone, 8000, subtype="FLOAT")
    assert main(["check", str(sounds)]) == 2
    out = capsys.readouterr().out
    assert "its first 0.5 s are silent, and no more of it is used; cut the silence off, or set signal.windows" in out
    assert "samples beyond full scale, up to 1.5" in out
    assert main(["check", str(sounds), "--set", "signal.windows=true"]) == 0
    recipe = recipe_from_dict({"name": "x", "signal": {"type": "signals.audio:Audio", "data": str(sounds)}})
    with pytest.raises(GonkitError, match=r"late\.wav: its first 0.5 s are silent"):
        recipe.signal.dataset("train")


def test_check_says_how_training_would_divide_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train/cat", "train/dog", "test/cat", "test/dog", "train/.ipynb_checkpoints"):
        for number in range(4):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 9 * number).save(tmp_path / name / f"{number}.png")
    (tmp_path / "notes.txt").touch()
    assert main(["check", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()[17:]
    assert [line.split(" signals,")[0] for line in lines[:3]] == ["train: 7", "val: 1", "test: 8"]
    assert lines[3].startswith("training signals of each class: cat ")
    assert "note: not read: 1 .txt" in lines
    assert sum("that equal training signals" in line for line in lines) == 1
    assert lines[-1] == "contract: kept by Image"


def test_check_shows_what_a_rule_of_labels_makes_of_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        Image.new("L", (8, 8)).save(tmp_path / f"{'cat' if number else 'dog'}_{number}.png")
    (tmp_path / "t.csv").write_text(
        "file,label,split\ncat_1.png,a,train\ncat_2.png,b,train\ndog_0.png,b,val\ncat_3.png,a,test\n"
    )
    for rule, expected in {"{label}_{take}": "each class: cat ", "t.csv": "each class: a 1, b 1"}.items():
        assert main(["check", str(tmp_path), "--set", f"signal.label={rule}"]) == 0
        assert expected in capsys.readouterr().out
    assert main(["check", str(tmp_path), "--set", "signal.label=dog_{take}"]) == 2
    assert "cat_1.png: its name does not match signal.label" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--set", "signal.label=folder:0"]) == 2
    assert "got 'folder:0'; expected a folder as in" in capsys.readouterr().err


def test_check_describes_a_type_and_learns_some_signals_by_heart(
    ramps: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "ramp.py:Ramp", "--steps", "60", "--set", "signal.count=60", "--set", "field.omega=3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("train: 48 signals, values (20, 1), coords (20, 1) shared by all, 0.0 MiB")
    assert [line.split(":")[0] for line in lines[1:3]] == ["val", "test"]
    assert lines[3].startswith("training signals of each class: flat 1")
    assert lines[4] == "channel 0: 0.1 to 1.1, mean 0.34671, deviation 0.28249 (48 signals); beyond value_range, 0 to 1"
    assert lines[5].startswith("note: held-out signals that equal training signals")
    assert lines[6] == "contract: kept by Ramp"
    assert lines[7].startswith("8 signals learned by heart, 60 steps in ")
    assert lines[8].startswith("their mean: RMSE 0.")
    assert lines[9].startswith("good: 99.") or lines[9].startswith("good: 100.0% of the variance is learned")


def test_check_names_what_is_wrong_with_a_type(ramps: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "ramp.py:Ramp", "--set", "signal.width=2"]) == 2
    assert "values: got 1 channels; expected 2, as Ramp.channels says" in capsys.readouterr().err
    assert main(["check", "ramp.py:Ramp", "--set", "signal.cuont=2"]) == 2
    assert "signal.cuont: there is no such key; did you mean 'count'?" in capsys.readouterr().err
    assert main(["check", "ramp.py:Rmap"]) == 2
    assert "has no 'Rmap'; did you mean 'Ramp'?" in capsys.readouterr().err
    assert main(["check", "ramp.py"]) == 2
    assert "a signal type is named file.py:Class or module:Class" in capsys.readouterr().err


def test_check_takes_a_recipe_and_can_leave_training_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.toml").write_text(changed_recipe())
    assert main(["check", str(tmp_path / "small.toml"), "--steps", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "contract: kept by Image"


def test_the_time_of_the_short_training_is_limited(ramps: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "ramp.py:Ramp", "--steps", "100000", "--seconds", "0"]) == 0
    assert "8 signals learned by heart, 0 steps in" in capsys.readouterr().out


@pytest.mark.slow
def test_the_short_training_can_be_stopped(ramps: None) -> None:
    command = [sys.executable, "-u", "-m", "gonkit", "check", "ramp.py:Ramp", "--steps", "1000000", "--seconds", "60"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as check:
        assert check.stdout is not None
        assert check.stderr is not None
        assert any(line.startswith("contract: kept") for line in check.stdout)
        time.sleep(2)
        check.send_signal(signal.SIGINT)
        assert check.stderr.read().splitlines()[-1] == "interrupted"
    assert check.returncode == 3


@pytest.mark.parametrize(("rmse", "verdict"), [(0.1, "good: 99.0%"), (0.7, "slow: 51.0%"), (1.0, "not learned: 0.0%")])
def test_the_verdict_is_the_share_of_variance_learned(rmse: float, verdict: str) -> None:
    assert Trial(8, 200, 1.0, rmse, 0.0, 1.0, 0.0).verdict.startswith(verdict)


def test_check_proposes_a_recipe_that_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my fields"
    folder.mkdir()
    for number in range(12):
        numpy.save(folder / f"{number}.npy", numpy.random.default_rng(number).normal(size=(6, 8)))
    path = tmp_path / "proposed.toml"
    assert main(["check", str(folder), "--write", str(path), "--set", 'signal.unit="K"']) == 0
    assert f"recipe: {path}; train it with: gonkit run {path}" in capsys.readouterr().out
    text = path.read_text()
    assert 'name = "my-fields"' in text
    assert 'unit = "K"' in text
    quick = ["--set", "train.steps=2", "--set", "train.compile=false", "--set", "field.width=8", "--quiet"]
    assert main(["run", str(path), "--out", str(tmp_path / "run"), *quick]) == 0
    assert main(["check", str(folder), "--write", str(path)]) == 2
    assert "proposed.toml: exists; name another file" in capsys.readouterr().err


def test_check_finds_the_type_that_takes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numpy.save(tmp_path / "values.npy", numpy.random.default_rng(0).normal(size=(20, 6, 8)))
    assert main(["check", str(tmp_path / "values.npy")]) == 0
    assert "20 arrays read as axis 0 6 × axis 1 8" in capsys.readouterr().out
    (tmp_path / "text.npy").write_text("no array")
    assert main(["check", str(tmp_path / "text.npy")]) == 2
    assert "text.npy: cannot be read as .npy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("folder", {"type": "signals.image:Image"}),
        ("audio", {"type": "signals.audio:Audio", "length": 2000}),
        ("speech", {"type": "signals.audio:Audio", "windows": True}),
        ("array", {"type": "signals.array:Array"}),
        ("points", {"type": "signals.points:Points"}),
    ],
)
def test_what_types_suggest_is_what_the_recipes_say(name: str, settings: dict[str, Any]) -> None:
    recipe = tomllib.loads((ROOT / "recipes" / f"{name}.toml").read_text())
    suggested = recipe_from_dict({"name": "x", "signal": settings}).signal.input_type.suggested_recipe
    assert {key: dict(part) for key, part in suggested.items()} == {
        key: part for key, part in recipe.items() if key not in ("name", "signal")
    }
