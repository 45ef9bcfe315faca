"""The training loop."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gonkit.errors import DivergedError, TrainingInterrupted
from gonkit.files import read_tensors
from gonkit.recipe import read_recipe
from gonkit.training import CHECKPOINT_FILE, FitResult, TrainProgress, fit, read_metrics

Write = Callable[..., Path]
RESOLVED = ("batch = 16", 'batch = 16\nprecision = "fp32"\ncompile = false\nmax_points = 0')


def train(path: Path, folder: Path, **options: object) -> FitResult:
    recipe = read_recipe(path)
    signal = recipe.signal
    return fit(recipe, signal.dataset("train"), signal.dataset("val"), folder, quiet=True, **options)  # type: ignore[arg-type]


def test_fit_returns_the_network_and_how_it_was_trained(recipe: Write, tmp_path: Path) -> None:
    result = train(recipe(RESOLVED), tmp_path / "run")
    assert result.steps == 12
    assert result.seconds > 0
    assert not result.gon.training
    tensors, metadata = read_tensors(tmp_path / "run" / CHECKPOINT_FILE)
    assert metadata["step"] == 12
    assert all(torch.equal(value, tensors[f"model.{key}"]) for key, value in result.gon.named_parameters())
    names = {path.name.split(".")[0] for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoint", "metrics", "events"}


def test_stopped_training_goes_on_from_its_checkpoint(recipe: Write, tmp_path: Path) -> None:
    whole = train(recipe(RESOLVED), tmp_path / "whole")
    with pytest.raises(TrainingInterrupted, match="stopped after step 7 of 12"):
        train(recipe(RESOLVED), tmp_path / "parts", stop_after=7)
    assert read_tensors(tmp_path / "parts" / CHECKPOINT_FILE)[1]["step"] == 7
    resumed = train(recipe(RESOLVED), tmp_path / "parts")
    assert resumed.steps == 12
    weights, expected = resumed.gon.state_dict(), whole.gon.state_dict()
    assert all(torch.equal(weights[key], expected[key]) for key in expected)
    assert read_metrics(tmp_path / "whole") == read_metrics(tmp_path / "parts")


def test_training_that_a_callback_ends_keeps_its_checkpoint(recipe: Write, tmp_path: Path) -> None:
    def stop(progress: TrainProgress) -> bool:
        return progress.step == 6

    result = train(recipe(RESOLVED), tmp_path / "run", callbacks=[stop])
    assert result.steps == 6
    assert read_tensors(tmp_path / "run" / CHECKPOINT_FILE)[1]["step"] == 6


def test_the_learning_rate_rises_and_falls_along_a_cosine(recipe: Write, tmp_path: Path) -> None:
    schedule = "learning_rate = 1e-3\nwarmup = 4\nlr_floor = 0.1\nbatch = 16"
    path = recipe(RESOLVED, ("batch = 16", schedule), ("log_every = 2", "log_every = 1"))
    train(path, tmp_path / "run")
    rates = [line["train/learning_rate"] for line in read_metrics(tmp_path / "run") if "train/learning_rate" in line]
    cosine = [0.1 + 0.9 * (1 + math.cos(math.pi * step / 12)) / 2 for step in range(12)]
    expected = [1e-3 * min(1, (step + 1) / 4) * factor for step, factor in enumerate(cosine)]
    assert rates == pytest.approx(expected, rel=1e-9)


def test_diverging_training_explains_itself_and_keeps_what_it_has(recipe: Write, tmp_path: Path) -> None:
    wild = recipe(RESOLVED, ("batch = 16", "batch = 16\nlearning_rate = 1e38\nwarmup = 0"))
    with pytest.raises(DivergedError, match=r"not finite at step 2; .*Try a smaller train\.learning_rate"):
        train(wild, tmp_path / "run")
    failure = json.loads((tmp_path / "run" / "failure.json").read_text())
    assert failure["step"] == 2
    assert len(failure["signals"]) == 16
