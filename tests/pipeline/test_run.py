"""Whole runs: what they leave behind, and how they stop and resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import gonkit
from gonkit.errors import GonkitError, TrainingInterrupted
from gonkit.pipeline import RunFolder, run_recipe
from gonkit.recipe import read_recipe
from gonkit.run import main
from gonkit.training import read_metrics
from tests.conftest import CALIBRATED, MODELS

Write = Callable[..., Path]
Trained = Callable[[str], Path]
FILES = ("checkpoint.safetensors", "model.safetensors")


def run(recipe: Path, out: Path, *more: str) -> int:
    return main([str(recipe), "--out", str(out), "--quiet", *more])


def same_weights(a: Path, b: Path, name: str) -> bool:
    first, second = load_file(a / name), load_file(b / name)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def evaluation(folder: Path) -> dict[str, float]:
    """The content of evaluation.json, without what the clock says."""
    values = json.loads((folder / "evaluation.json").read_text())
    return {name: value for name, value in values.items() if name != "seconds"}


def test_a_run_leaves_all_its_files(trained: Trained) -> None:
    folder = trained("plain")
    names = {path.name for path in folder.iterdir()}
    assert {"recipe.toml", "versions.json", "metrics.jsonl", "evaluation.json", "report.html", *FILES} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert not [path for path in folder.rglob("*") if ".part" in path.name]
    metrics = json.loads((folder / "evaluation.json").read_text())
    assert {"mse", "psnr", "psnr_mean", "ssim", "pca_psnr", "seconds", "steps", "selected_step"} <= metrics.keys()
    assert metrics["psnr_mean"] >= metrics["psnr"]
    assert metrics["steps"] == metrics["selected_step"] == 12


def test_a_run_keeps_what_auto_was_resolved_to(trained: Trained) -> None:
    folder = trained("plain")
    recipe = read_recipe(folder / "recipe.toml")
    assert "auto" not in (recipe.train.precision, recipe.train.compile, recipe.train.max_points)
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["auto"].keys() == {"train.precision", "train.compile", "train.max_points"}
    assert versions["seed"] == 0
    assert versions["processes"] == 1
    assert {"gonkit", "torch", "numpy", "python", "machine"} <= versions.keys()


def test_the_default_folder_is_the_next_free_number(
    recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe()
    monkeypatch.chdir(tmp_path)
    for number in ("0001", "0002"):
        assert main([str(path), "--quiet", "--set", "train.steps=1"]) == 0
        assert (tmp_path / "runs" / "small" / number / "report.html").is_file()
    assert RunFolder.new("small", None, restarted=True).path == Path("runs", "small", "0002")
    with pytest.raises(GonkitError, match="exists and is not empty"):
        RunFolder.new("small", tmp_path / "runs" / "small" / "0001")


def test_equal_seeds_give_equal_weights_and_others_do_not(recipe: Write, trained: Trained, tmp_path: Path) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        assert run(recipe(), tmp_path / name, "--set", f"train.seed={seed}") == 0
    assert same_weights(trained("plain"), tmp_path / "same", "model.safetensors")
    assert not same_weights(trained("plain"), tmp_path / "other", "model.safetensors")


@pytest.mark.parametrize("kind", ["plain", "classifier", "conditional", "translation", "variational", "polished"])
def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(
    recipe: Write, trained: Trained, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "stopped"
    path = recipe(*MODELS[kind])
    assert run(path, folder, "--stop-after", "7") == 3
    assert not (folder / "report.html").exists()
    assert not (folder / "model.safetensors").exists()
    assert main(["--resume", str(folder), "--quiet", "--stop-after", "9"]) == 3
    assert main(["--resume", str(folder), "--quiet"]) == 0
    for name in FILES:
        assert same_weights(trained(kind), folder, name)
    assert read_metrics(trained(kind)) == read_metrics(folder)
    assert evaluation(trained(kind)) == evaluation(folder)


def test_a_run_that_is_over_is_not_stopped(recipe: Write, tmp_path: Path) -> None:
    assert run(recipe(), tmp_path / "run", "--stop-after", "12") == 0
    assert (tmp_path / "run" / "report.html").is_file()


def test_from_python_a_stopped_run_is_an_exception(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(TrainingInterrupted, match="stopped after step 4 of 12"):
        run_recipe(read_recipe(recipe()), tmp_path / "run", quiet=True, stop_after=4)


def test_a_finished_run_resumes_to_itself(recipe: Write, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run(recipe(), folder) == 0
    before, lines, metrics = load_file(folder / "model.safetensors"), read_metrics(folder), evaluation(folder)
    assert main(["--resume", str(folder), "--quiet"]) == 0
    after = load_file(folder / "model.safetensors")
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert read_metrics(folder) == lines
    assert evaluation(folder) == metrics


LONGER = (
    ("width = 16", "width = 48\nomega = 10.0"),
    ("steps = 12", "steps = 240\nlearning_rate = 5e-3\nwarmup = 5"),
    ("every = 5", "every = 120"),
)


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
    assert run(recipe(*LONGER, *changes), tmp_path / "run") == 0
    losses = [line["train/loss"] for line in read_metrics(tmp_path / "run") if "train/loss" in line]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_regularizers_train_beside_the_reconstruction(recipe: Write, tmp_path: Path) -> None:
    terms = "mse = 1.0, latent_covariance = 0.1, latent_l2 = 0.01, latent_gradient = 1e-3"
    longer = ("steps = 12", "steps = 150\nlearning_rate = 2e-3\nwarmup = 5")
    path = recipe(("[prior]", f"[loss]\nouter = {{ {terms} }}\n[prior]"), longer, ("every = 5", "every = 75"))
    assert run(path, tmp_path / "run") == 0
    lines = [line for line in read_metrics(tmp_path / "run") if "train/latent_covariance" in line]
    assert lines[-1]["train/latent_covariance"] < 0.8 * lines[0]["train/latent_covariance"]
    assert lines[-1]["train/latent_gradient"] > 0


def test_a_joint_variational_model_is_measured_in_every_way_and_resumes_exactly(recipe: Write, tmp_path: Path) -> None:
    outer = "{ mse = 1.0, cross_entropy = 0.1, kl = 0.01 }"
    loss = f"[loss]\nouter = {outer}\nanneal = {{ kl = 8 }}\n[evaluate]\nobserved = [0.5, 1.0]\n[train]"
    path = recipe(("[train]", loss))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(path, whole) == 0
    metrics = evaluation(whole)
    assert {"psnr", "accuracy", "kl", "elbo", "observed_0.5_hidden", "observed_1_psnr"} <= metrics.keys()
    assert "Encoded from a share of the points" in (whole / "report.html").read_text()
    model = gonkit.load(whole)
    assert model.gon.posterior is not None
    assert model.gon.classifier is not None
    assert run(path, parts, "--stop-after", "7") == 3
    assert main(["--resume", str(parts), "--quiet"]) == 0
    assert same_weights(whole, parts, "model.safetensors")
    assert evaluation(parts) == metrics


@pytest.mark.slow
def test_compiling_changes_the_speed_and_not_the_result(recipe: Write, trained: Trained, tmp_path: Path) -> None:
    assert run(recipe(("batch = 16", "batch = 16\ncompile = true")), tmp_path / "compiled") == 0
    eager, compiled = (load_file(folder / "model.safetensors") for folder in (trained("plain"), tmp_path / "compiled"))
    for key in eager:
        if key.startswith("gon.") and key.removeprefix("gon.") not in CALIBRATED:
            torch.testing.assert_close(eager[key], compiled[key], atol=2e-4, rtol=1e-3)
