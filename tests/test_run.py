"""Whole runs, as a user starts, stops, resumes and spoils them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import gonkit
from gonkit.run import main
from gonkit.tracking import read_metrics
from tests.conftest import ROOT

Write = Callable[..., Path]
FILES = ("checkpoint.safetensors", "model.safetensors")


def run(recipe: Path, out: Path, *more: str) -> int:
    return main([str(recipe), "--out", str(out), "--quiet", *more])


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "gonkit.run", "--quiet", *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_step(folder: Path, step: int) -> None:
    deadline = time.monotonic() + 90
    while not any(line["step"] >= step for line in read_metrics(folder)):
        assert time.monotonic() < deadline, "the run never came that far"
        time.sleep(0.02)


def same_weights(a: Path, b: Path, name: str) -> bool:
    first, second = load_file(a / name), load_file(b / name)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_leaves_all_its_files(recipe: Write, tmp_path: Path) -> None:
    assert run(recipe(), tmp_path / "run") == 0
    folder = tmp_path / "run"
    names = {path.name for path in folder.iterdir()}
    assert {"recipe.toml", "versions.json", "metrics.jsonl", "evaluation.json", "report.html", *FILES} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert not [name for name in names if name.endswith(".part")]
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert {"mse", "psnr", "psnr_mean", "ssim", "pca_psnr", "seconds", "steps"} <= evaluation.keys()
    assert evaluation["psnr_mean"] >= evaluation["psnr"]
    report = (folder / "report.html").read_text()
    assert "samples/reconstructions.png" in report
    for source in {part.split("'")[0] for part in report.split("src='")[1:]}:
        assert (folder / source).is_file()


def test_the_model_file_is_all_that_sampling_needs(recipe: Write, tmp_path: Path) -> None:
    assert run(recipe(), tmp_path / "run") == 0
    alone = tmp_path / "elsewhere.safetensors"
    (tmp_path / "run" / "model.safetensors").rename(alone)
    model = gonkit.load(alone)
    pictures = model.sample(3, resolution=40)
    assert [picture.size for picture in pictures] == [(40, 40)] * 3
    assert pictures[0].tobytes() == model.sample(3, resolution=40)[0].tobytes()


def test_the_default_folder_is_the_next_free_number(
    recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe()
    monkeypatch.chdir(tmp_path)
    for number in ("0001", "0002"):
        assert main([str(path), "--quiet", "--set", "train.steps=1"]) == 0
        assert (tmp_path / "runs" / "small" / number / "report.html").is_file()


def test_equal_seeds_give_equal_weights_and_others_do_not(recipe: Write, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert run(recipe(), tmp_path / name, "--set", f"train.seed={seed}") == 0
    assert same_weights(tmp_path / "a", tmp_path / "b", "model.safetensors")
    assert not same_weights(tmp_path / "a", tmp_path / "c", "model.safetensors")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    recipe: Write, tmp_path: Path, number: signal.Signals
) -> None:
    path = recipe(
        ("steps = 12", "steps = 600"),
        ("log_every = 2", "log_every = 10"),
        ("validate_every = 5", "validate_every = 40"),
    )
    assert run(path, tmp_path / "whole") == 0
    process = start(str(path), "--out", "cut", cwd=tmp_path)
    wait_for_step(tmp_path / "cut", 47)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert not (tmp_path / "cut" / "report.html").exists(), "the run had ended before it was stopped"
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 3
        assert "--resume cut" in said
        assert "Traceback" not in said
    assert main(["--resume", str(tmp_path / "cut"), "--quiet"]) == 0
    for name in FILES:
        assert same_weights(tmp_path / "whole", tmp_path / "cut", name)
    assert read_metrics(tmp_path / "whole") == read_metrics(tmp_path / "cut")
    whole, cut = (json.loads((tmp_path / n / "evaluation.json").read_text()) for n in ("whole", "cut"))
    assert {k: v for k, v in whole.items() if k != "seconds"} == {k: v for k, v in cut.items() if k != "seconds"}


def test_a_finished_run_resumes_to_itself(recipe: Write, tmp_path: Path) -> None:
    assert run(recipe(), tmp_path / "run") == 0
    before = load_file(tmp_path / "run" / "model.safetensors")
    lines = read_metrics(tmp_path / "run")
    assert main(["--resume", str(tmp_path / "run"), "--quiet"]) == 0
    after = load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert read_metrics(tmp_path / "run") == lines


def test_dry_run_says_sizes_and_makes_nothing(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe()
    monkeypatch.chdir(tmp_path)
    assert main([str(path), "--dry-run", "--set", "field.width=32"]) == 0
    said = capsys.readouterr().out
    assert "width = 32" in said
    assert "parameters: 1,377" in said  # (2·32) + (6·32 + 32) + (32·32 + 32) + (32 + 1)
    assert "1,437 signals" in said
    assert "MiB" in said
    assert [p.name for p in tmp_path.iterdir()] == ["small.toml"]


def test_a_diverging_run_explains_itself_and_keeps_what_it_has(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = recipe(("batch = 16", "batch = 16\nlearning_rate = 1e38\nwarmup = 0"))
    assert run(wild, tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert "not finite at step" in said
    assert "train.learning_rate" in said
    failure = json.loads((tmp_path / "run" / "failure.json").read_text())
    assert len(failure["signals"]) == 16
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["--set", "train.stepz=3"], "did you mean 'steps'"),
        (["--set", "train.steps=many"], "train.steps: got 'many'"),
        (["--set", "signal.data=/nowhere"], "no such folder"),
        (["--set", "signal.data=mnist", "--set", "signal.root=/nowhere"], "signal.download = true"),
        (["--set", "train.device=abacus"], "train.device"),
        (["--set", "loss.inner=mze"], "did you mean 'mse'"),
        (["--set", "loss.inner=bce"], "read the field alike"),
    ],
)
def test_mistakes_are_named_without_traceback(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], needle: str
) -> None:
    assert run(recipe(), tmp_path / "run", *arguments) == 2
    assert needle in capsys.readouterr().err


def test_an_existing_folder_is_left_alone(recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    assert run(recipe(), folder) == 2
    assert "--resume" in capsys.readouterr().err
    assert (folder / "thesis.txt").read_text() == "years of work"
    assert main(["--resume", str(folder)]) == 2
    assert "no recipe.toml" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        [("dim = 6", 'dim = 6\norigin = "gradient"')],
        [("dim = 6", "dim = 6\nsteps = 2\npoints = 40")],
        [("[prior]", '[loss]\ninner = "bce"\nouter = { bce = 1.0 }\n[prior]')],
        [("[prior]", '[loss]\ninner = "huber"\nouter = { l1 = 0.5, mse = 1.0 }\n[prior]\nkind = "normal"')],
        [("batch = 16", 'batch = 16\nprecision = "bf16"')],
    ],
)
def test_every_choice_trains(recipe: Write, tmp_path: Path, changes: list[tuple[str, str]]) -> None:
    longer = [("steps = 12", "steps = 120\nlearning_rate = 2e-3\nwarmup = 5"), ("every = 5", "every = 60")]
    assert run(recipe(*longer, *changes), tmp_path / "run") == 0
    losses = [line["train/loss"] for line in read_metrics(tmp_path / "run") if "train/loss" in line]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_compiling_changes_the_speed_and_not_the_result(recipe: Write, tmp_path: Path) -> None:
    assert run(recipe(), tmp_path / "eager") == 0
    assert run(recipe(("batch = 16", "batch = 16\ncompile = true")), tmp_path / "compiled") == 0
    eager, compiled = (load_file(tmp_path / name / "model.safetensors") for name in ("eager", "compiled"))
    for key in eager:
        if key.startswith("gon."):
            torch.testing.assert_close(eager[key], compiled[key], atol=2e-4, rtol=1e-3)


def test_without_a_compiler_training_goes_on(
    recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(("batch = 16", "batch = 17\ncompile = true"))
    environment = {"PATH": "/nowhere", "CXX": "/nowhere/c++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    process = start(str(path), "--out", "run", cwd=tmp_path)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert (said + errors).count("going on without") == 1
