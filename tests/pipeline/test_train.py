"""gonkit.train: a run from Python."""

from __future__ import annotations

import json
import os
import signal
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
import torch

import gonkit
from gonkit.batch import Batch
from gonkit.cli import main
from gonkit.data import DatasetInfo, Grid, InMemoryDataset, Signal, SignalDataset, Split, split_indices
from gonkit.errors import GonkitError, RecipeError, TrainingInterrupted
from gonkit.files import read_tensors
from gonkit.inference import Model
from gonkit.nn import GON
from gonkit.pipeline import TrainedRun
from gonkit.recipe import read_recipe
from gonkit.training import TrainProgress, read_metrics
from tests.conftest import RECIPE, waves

Trained = Callable[[str], Path]
TABLE: dict[str, Any] = tomllib.loads(RECIPE)


class Waves(Signal):
    """Signals that are passed to `gonkit.train` as a data set."""

    @property
    def channels(self) -> int:
        return 1

    def grid(self, resolution: int | None = None) -> Grid:
        return Grid.corners(resolution or 30)

    def dataset(self, split: Split) -> SignalDataset:
        raise AssertionError("the data set that was passed is used instead")


def waves_recipe(**train: Any) -> Mapping[str, Any]:
    table = TABLE | {"signal": Waves(), "name": "waves"}
    return table | {"train": table["train"] | {"batch": 4, "points": 10} | train}


def mse(model: Model, batch: Batch) -> float:
    """Mean squared error of the reconstructions of a batch."""
    return (model.decode_values(model.encode(batch)) - batch.values).square().mean().item()


def evaluated_mse(folder: Path) -> float:
    return float(json.loads((folder / "evaluation.json").read_text())["mse"])


@pytest.mark.parametrize("given", ["dictionary", "path", "text path", "recipe"])
def test_a_recipe_in_any_form_gives_the_weights_of_the_command(
    trained: Trained, tmp_path: Path, given: Literal["dictionary", "path", "text path", "recipe"]
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    recipe = {"dictionary": TABLE, "path": path, "text path": str(path), "recipe": read_recipe(path)}[given]
    model, folder = gonkit.train(recipe, out=tmp_path / "run", quiet=True)
    assert folder == tmp_path / "run"
    (tensors, metadata), (expected, others) = (
        read_tensors(run / "model.safetensors") for run in (folder, trained("plain"))
    )
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[key], expected[key]) for key in expected)
    assert metadata == others
    assert read_metrics(folder) == read_metrics(trained("plain"))
    assert all(torch.equal(value, tensors[f"gon.{key}"]) for key, value in model.gon.state_dict().items())
    left = {path.name for path in folder.iterdir() if "tfevents" not in path.name}
    assert left == {
        "checkpoint.previous.safetensors",
        "checkpoint.safetensors",
        "data.json",
        "evaluation.json",
        "metrics.jsonl",
        "model.safetensors",
        "projector",
        "recipe.toml",
        "report.html",
        "samples",
        "versions.json",
    }


def test_the_dictionary_is_not_changed_and_the_folder_is_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = json.dumps(TABLE)
    run = gonkit.train(TABLE | {"train": TABLE["train"] | {"steps": 1}}, quiet=True)
    assert isinstance(run, TrainedRun)
    assert run.folder == Path("runs", "small", "0001")
    assert json.dumps(TABLE) == before


def test_one_data_set_is_split_at_random(tmp_path: Path) -> None:
    data = waves()
    model, folder = gonkit.train(waves_recipe(), dataset=data, out=tmp_path / "run", quiet=True)
    assert "4 test signals." in (folder / "report.html").read_text()
    assert model.class_names == data.info.class_names
    test = data.data[split_indices(40, "test")]
    assert evaluated_mse(folder) == pytest.approx(mse(model, test), rel=1e-4)
    assert gonkit.load(folder).encode(data.data).shape == (40, 6)


def test_data_sets_may_be_given_for_each_split(tmp_path: Path) -> None:
    data = waves().data
    parts = {name: InMemoryDataset(replace(data[i::3], label=None)) for i, name in enumerate(("train", "val", "test"))}
    model, folder = gonkit.train(waves_recipe(), dataset=parts, out=tmp_path / "run", quiet=True)
    assert "13 test signals." in (folder / "report.html").read_text()
    assert evaluated_mse(folder) == pytest.approx(mse(model, parts["test"].data), rel=1e-4)
    del parts["val"]
    with pytest.raises(GonkitError, match="dataset: val missing; give one data set each for train, val, test"):
        gonkit.train(waves_recipe(), dataset=parts, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_model_of_passed_data_knows_them_and_its_file_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = waves()
    model, folder = gonkit.train(waves_recipe(), dataset=data, out=tmp_path / "run", quiet=True)
    assert [len(model.dataset(split)) for split in get_args(Split)] == [32, 4, 4]
    loaded = gonkit.load(folder)
    with pytest.raises(GonkitError, match=r"trained on data passed to gonkit\.train, and its file does not hold"):
        loaded.dataset("test")
    assert len(loaded.sample(2)) == 2
    capsys.readouterr()
    assert main(["evaluate", str(folder)]) == 2
    assert "its file does not hold them" in capsys.readouterr().err
    assert main(["sample", str(folder), "--count", "1", "--out", str(tmp_path / "out")]) == 0


def test_a_run_on_passed_data_is_resumed_with_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(progress: TrainProgress) -> None:
        if progress.step == 6:
            os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C

    data, whole, parts = waves(), tmp_path / "whole", tmp_path / "parts"
    expected, _ = gonkit.train(waves_recipe(), dataset=data, out=whole, quiet=True)
    with pytest.raises(TrainingInterrupted, match="stopped after step 7 of 12"):
        gonkit.train(waves_recipe(), dataset=data, out=parts, callbacks=[interrupt], quiet=True)
    assert main(["run", "--resume", str(parts), "--quiet"]) == 2
    assert "resume it with gonkit.train(..., dataset=..., out=..., resume=True)" in capsys.readouterr().err
    with pytest.raises(GonkitError, match="name the run folder with out="):
        gonkit.train(waves_recipe(), dataset=data, resume=True)
    with pytest.raises(GonkitError, match="no run to resume"):
        gonkit.train(waves_recipe(), dataset=data, out=tmp_path / "none", resume=True)
    model, folder = gonkit.train(waves_recipe(), dataset=data, out=parts, resume=True, quiet=True)
    assert folder == parts
    weights, others = expected.gon.state_dict(), model.gon.state_dict()
    assert all(torch.equal(weights[key], others[key]) for key in weights)
    assert read_metrics(parts) == read_metrics(whole)


def test_a_run_on_passed_data_is_finished_trained_longer_and_knows_its_data(tmp_path: Path) -> None:
    def train(data: SignalDataset, **options: Any) -> TrainedRun:
        return gonkit.train(waves_recipe(), dataset=data, out=tmp_path / "run", resume=True, quiet=True, **options)

    def stop(progress: TrainProgress) -> None:
        if progress.step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    data = waves()
    with pytest.raises(TrainingInterrupted):
        gonkit.train(waves_recipe(), dataset=data, out=tmp_path / "run", callbacks=[stop], quiet=True)
    train(data, finish=True)
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["steps"] == 7
    with pytest.raises(GonkitError, match=r"test: the values or labels are others"):
        train(InMemoryDataset(replace(data.data, values=data.data.values.flip(0)), data.info))
    with pytest.raises(GonkitError, match=r"train: 31 signals, before 32"):
        train(InMemoryDataset(data.data[:39], data.info))
    assert train(data, overrides=["train.steps=14"]).model.recipe.train.steps == 14
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["steps"] == 14
    with pytest.raises(GonkitError, match="belong to resume=True"):
        gonkit.train(waves_recipe(), overrides=["train.steps=14"])


def test_labels_of_a_passed_data_set_are_checked(tmp_path: Path) -> None:
    unlabeled = InMemoryDataset(replace(waves().data, label=None), DatasetInfo())
    recipe = {**waves_recipe(), "loss": {"outer": {"mse": 1.0, "cross_entropy": 0.1}}}
    with pytest.raises(GonkitError, match=r"a loss on labels \(cross_entropy\) needs them"):
        gonkit.train(recipe, dataset=unlabeled, out=tmp_path / "run")
    model, _ = gonkit.train(recipe, dataset=waves(), out=tmp_path / "run", quiet=True)
    assert model.gon.classifier is not None


def test_a_callback_sees_the_progress_of_training(trained: Trained, tmp_path: Path) -> None:
    seen: list[TrainProgress] = []
    gonkit.train(TABLE, out=tmp_path / "run", callbacks=[seen.append], quiet=True)
    assert [progress.step for progress in seen] == [0, 2, 4, 5, 6, 8, 10, 12]
    first, *others = seen
    assert first.losses == {}
    assert first.metrics == {}
    assert isinstance(first.network, GON)
    assert [progress.seconds for progress in seen] == sorted(progress.seconds for progress in seen)
    lines = [line for line in read_metrics(tmp_path / "run") if "train/loss" in line]
    for progress, line in zip(others, lines, strict=True):
        assert progress.losses.keys() == {"loss", "mse"}
        assert progress.losses["loss"] == line["train/loss"]
        assert progress.metrics["train/psnr"] == line["train/psnr"]
        assert ("validation/psnr" in progress.metrics) == (progress.step in (5, 10, 12))
    weights, expected = (read_tensors(run / "model.safetensors")[0] for run in (tmp_path / "run", trained("plain")))
    assert all(torch.equal(weights[key], expected[key]) for key in expected)  # looking on changes nothing


@pytest.mark.parametrize("last", [0, 4])
def test_a_callback_ends_training_with_a_finished_model(tmp_path: Path, last: int) -> None:
    others: list[int] = []

    def stop(progress: TrainProgress) -> bool:
        return progress.step >= last

    def look(progress: TrainProgress) -> None:
        others.append(progress.step)

    model, folder = gonkit.train(TABLE, out=tmp_path / "run", callbacks=[stop, look], quiet=True)
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["steps"] == last < model.recipe.train.steps
    assert others[-1] == last
    assert (folder / "report.html").is_file()
    loaded = gonkit.load(folder)
    assert [obj.size for obj in loaded.sample(2, resolution=12)] == [(12, 12)] * 2


def test_mistakes_are_exceptions_and_leave_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"train\.stepz: there is no such key; did you mean 'steps'"):
        gonkit.train(TABLE | {"train": {"stepz": 3}}, out=tmp_path / "run")
    with pytest.raises(RecipeError, match="no such recipe"):
        gonkit.train(tmp_path / "none.toml", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(GonkitError, match="exists and is not empty"):
        gonkit.train(TABLE, out=tmp_path)
