"""gonkit run --resume and gonkit finish: what may change in between, and what may not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import gonkit
from gonkit.cli import main as gonkit_command
from gonkit.files import read_tensors, write_tensors
from gonkit.recipe import read_recipe
from gonkit.run import main
from gonkit.training import read_metrics
from tests.commands.test_training import assert_same_run, run
from tests.conftest import MODELS

Write = Callable[..., Path]
Trained = Callable[[str], Path]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_changed_data_are_named_before_a_run_goes_on(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, folder = tmp_path / "pictures", tmp_path / "run"
    for number in range(40):
        picture = Image.fromarray(numpy.random.default_rng(number).integers(0, 255, (8, 8), dtype=numpy.uint8))
        pictures.mkdir(exist_ok=True)
        picture.save(pictures / f"p{number:02}.png")
    path = recipe(('data = "digits"', f'data = "{pictures}"\nsize = 8\ncolor = "gray"'))
    assert run(path, folder, "--stop-after", "4") == 3
    before = (folder / "data.json").read_bytes()
    shutil.copy(pictures / "p00.png", pictures / "new.png")
    capsys.readouterr()
    assert main(["--resume", str(folder), "--quiet"]) == 2
    assert capsys.readouterr().err == (
        f"error: {folder}: the data are not those that this run was trained on\n  added to train: new.png\n"
        "restore them, or go on with what is there now by --accept-changed-data\n"
    )
    assert (folder / "data.json").read_bytes() == before
    assert main(["--resume", str(folder), "--quiet", "--accept-changed-data"]) == 0
    assert main(["--resume", str(folder), "--quiet"]) == 0  # they are the run's own now

    test_files = list(json.loads((folder / "data.json").read_text())["test"]["files"])
    shutil.copy(pictures / "p00.png", pictures / test_files[0])
    for command in (
        ["evaluate"],
        ["latents", "--out", str(tmp_path / "l.npz")],
        ["export", "--what", "reconstructions"],
    ):
        arguments = [command[0], str(folder), *command[1:]]
        capsys.readouterr()
        assert gonkit_command(arguments) == 2
        assert f"changed: {test_files[0]}" in capsys.readouterr().err
    assert gonkit_command(["evaluate", str(folder), "--accept-changed-data"]) == 0
    assert main([str(path), "--out", str(tmp_path / "other"), "--quiet"]) == 0
    assert f"(1): {test_files[0]} = " in capsys.readouterr().out
    assert f"{test_files[0]} = " in (tmp_path / "other" / "report.html").read_text()
    assert gonkit_command(["check", str(pictures), "--type", "signals.image:Image"]) == 0
    assert f"(1): {test_files[0]} = " in capsys.readouterr().out


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_taken(
    recipe: Write, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(recipe(), folder, "--stop-after", "11") == 3  # checkpoints of steps 10 and 11
    path = folder / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)
    capsys.readouterr()
    assert main(["--resume", str(folder), "--quiet"]) == 0
    assert f"{path}: cannot be read as a file that gonkit wrote" in (output := capsys.readouterr().out)
    assert "going on from the one before it, of step 10" in output
    assert_same_run(trained("plain"), folder)
    assert read_tensors(folder / "checkpoint.previous.safetensors")[1]["step"] == 10
    assert (folder / "model.safetensors").read_bytes() == (trained("plain") / "model.safetensors").read_bytes()


def test_a_run_goes_on_with_more_steps_and_another_schedule(
    recipe: Write, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, other = tmp_path / "first", tmp_path / "second"
    for copy in (folder, other):
        shutil.copytree(trained("plain"), copy)
    changes = ["--set", "train.steps=20", "--set", "train.learning_rate=1e-3"]
    assert main(["--resume", str(folder), "--quiet", *changes]) == 0
    assert json.loads((folder / "evaluation.json").read_text())["steps"] == 20
    assert read_recipe(folder / "recipe.toml").train.steps == 20
    assert main(["--resume", str(other), "--quiet", "--stop-after", "15", *changes]) == 3
    assert main(["--resume", str(other), "--quiet"]) == 0  # the changes are the run's own now
    assert_same_run(folder, other)

    assert run(recipe(), tmp_path / "whole", *changes) == 0
    before, after, whole = (
        {line["step"]: line["train/learning_rate"] for line in read_metrics(run) if "train/learning_rate" in line}
        for run in (trained("plain"), folder, tmp_path / "whole")
    )
    assert after == before | {step: rate for step, rate in whole.items() if step > 12}  # as if it had begun with them
    capsys.readouterr()
    assert main(["--resume", str(folder), "--quiet", "--set", "train.steps=19"]) == 2
    assert "train.steps: 19, and this run has done 20 steps" in capsys.readouterr().err
    assert read_recipe(folder / "recipe.toml").train.steps == 20


def test_other_keys_are_refused_by_name(recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert run(recipe(), folder, "--stop-after", "4") == 3
    before = contents(folder)
    capsys.readouterr()
    changes = ("train.batch=8", "signal.size=16", "train.steps=20", "loss.inner=l1")
    overrides = [part for change in changes for part in ("--set", change)]
    assert main(["--resume", str(folder), "--quiet", "--skip-bad", *overrides]) == 2
    assert capsys.readouterr().err == (
        f"error: {folder}: a run that is resumed keeps these keys\n"
        "  loss.inner: None, now 'l1'\n  signal.size: None, now 16\n  signal.skip_bad: False, now True\n"
        "  train.batch: 16, now 8\n"
        "start a new run with them, or change only train.steps, train.learning_rate, train.lr_floor, train.log_every, "
        "train.validate_every, train.workers, train.device, signal.data, signal.root\n"
    )
    assert contents(folder) == before


def test_data_may_move(recipe: Write, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    for number in range(20):
        Image.new("L", (8, 8), 9 * number).save(here / f"{number}.png")
    path = recipe(('data = "digits"', f'data = "{here}"\nsize = 8\ncolor = "gray"'))
    assert run(path, tmp_path / "whole") == 0
    assert run(path, tmp_path / "run", "--stop-after", "7") == 3
    here.rename(there)
    assert main(["--resume", str(tmp_path / "run"), "--quiet", "--set", f"signal.data={there}"]) == 0
    expected, weights = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(expected[key], weights[key]) for key in expected)
    assert gonkit_command(["evaluate", str(tmp_path / "run")]) == 0


def test_a_checkpoint_of_another_format_is_refused_before_anything_is_written(recipe: Write, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run(recipe(), folder, "--stop-after", "4") == 3
    tensors, metadata = read_tensors(folder / "checkpoint.safetensors")
    write_tensors(folder / "checkpoint.safetensors", tensors, metadata | {"format": 2})
    before = contents(folder)
    assert main(["--resume", str(folder), "--quiet", "--set", "train.steps=20"]) == 2
    assert contents(folder) == before


def test_a_stopped_run_is_finished_without_training_on(
    recipe: Write, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(recipe(), folder, "--stop-after", "7") == 3
    checkpoint = (folder / "checkpoint.safetensors").read_bytes()
    capsys.readouterr()
    assert gonkit_command(["finish", str(folder)]) == 0
    assert capsys.readouterr().out.endswith("finished after 7 of 12 steps\n")
    assert "The run was finished after 7 of 12 steps." in (folder / "report.html").read_text()
    assert json.loads((folder / "evaluation.json").read_text())["steps"] == 7
    assert (folder / "checkpoint.safetensors").read_bytes() == checkpoint
    weights, model = read_tensors(folder / "checkpoint.safetensors")[0], gonkit.load(folder)
    assert all(torch.equal(value, weights[f"model.{key}"]) for key, value in model.gon.named_parameters())
    assert len(model.sample(2)) == 2
    assert main(["--resume", str(folder), "--quiet"]) == 0  # it can still go on
    assert_same_run(trained("plain"), folder)
    assert "was finished after" not in (folder / "report.html").read_text()


def test_a_run_without_a_checkpoint_begins_at_step_0(
    recipe: Write, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(recipe(), folder, "--stop-after", "3") == 3
    (folder / "checkpoint.safetensors").unlink()
    capsys.readouterr()
    assert gonkit_command(["finish", str(folder)]) == 2
    assert f"{folder}: no checkpoint yet" in capsys.readouterr().err
    assert main(["--resume", str(folder), "--quiet"]) == 0
    assert_same_run(trained("plain"), folder)


def test_a_run_that_is_shortened_into_its_polish_measures_latents_first(recipe: Write, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run(recipe(*MODELS["polished"]), folder, "--stop-after", "4") == 3
    assert not read_tensors(folder / "checkpoint.safetensors")[0]["model.latent_precision"].any()
    assert main(["--resume", str(folder), "--quiet", "--set", "train.steps=6"]) == 0  # polishes from step 4 on
    assert read_tensors(folder / "checkpoint.safetensors")[0]["model.latent_precision"].any()
