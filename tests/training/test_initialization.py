"""Runs that start from the weights of a trained model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import gonkit
from gonkit.files import read_tensors
from gonkit.recipe import read_recipe
from gonkit.run import main
from gonkit.training import read_metrics
from tests.conftest import CLASSIFY, MODELS

Write = Callable[..., Path]
Trained = Callable[[str], Path]
STILL = ("steps = 12", "steps = 1\nlearning_rate = 1e-30")


def start(recipe: Path, out: Path, source: Path, *more: str) -> int:
    return main([str(recipe), "--out", str(out), "--quiet", "--set", f"train.init_from={source}", *more])


@pytest.mark.parametrize("kind", ["plain", "translation", "variational"])
def test_a_run_starts_as_the_model_on_other_data(recipe: Write, trained: Trained, tmp_path: Path, kind: str) -> None:
    path = recipe(*[change for change in MODELS[kind] if "steps" not in change[0]], STILL)
    assert start(path, tmp_path / "run", trained(kind), "--set", "train.seed=7") == 0
    theirs, ours = gonkit.load(trained(kind)), gonkit.load(tmp_path / "run")
    assert all(torch.equal(value, theirs.gon.state_dict()[key]) for key, value in ours.gon.named_parameters())
    assert torch.equal(ours.gon.value_mean, theirs.gon.value_mean)


def test_statistics_come_with_the_weights(recipe: Write, trained: Trained, tmp_path: Path) -> None:
    path = recipe(STILL, ('data = "digits"', 'data = "photos"\nsize = 8\ncolor = "gray"'))
    for number, source in enumerate((trained("plain"), trained("plain") / "model.safetensors")):
        assert start(path, tmp_path / str(number), source) == 0
        theirs, ours = gonkit.load(source), gonkit.load(tmp_path / str(number))
        latent = torch.randn(3, 6)
        assert torch.equal(ours.decode_values(latent), theirs.decode_values(latent))


def test_a_run_that_starts_from_a_model_resumes_without_it_and_is_ahead(
    recipe: Write, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source.safetensors"
    source.write_bytes((trained("plain") / "model.safetensors").read_bytes())
    path = recipe(("log_every = 2", "log_every = 1"))
    monkeypatch.chdir(tmp_path)
    assert start(path, tmp_path / "whole", Path("source.safetensors")) == 0
    assert start(path, tmp_path / "parts", source, "--stop-after", "5") == 3
    assert read_recipe(tmp_path / "whole" / "recipe.toml").train.init_from == str(source)
    source.unlink()
    assert main(["--resume", str(tmp_path / "parts"), "--quiet"]) == 0
    whole, parts = (read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    assert main([str(path), "--out", str(tmp_path / "anew"), "--quiet"]) == 0
    started, anew = (read_metrics(tmp_path / name)[0] for name in ("whole", "anew"))
    assert started["train/loss"] < anew["train/loss"]
    assert started["train/learning_rate"] == anew["train/learning_rate"]


def test_heads_come_over_where_both_have_them(recipe: Write, trained: Trained, tmp_path: Path) -> None:
    path = recipe(*CLASSIFY, ("steps = 150\nlearning_rate = 2e-3", "steps = 1\nlearning_rate = 1e-30"))
    assert start(path, tmp_path / "run", trained("classifier")) == 0
    theirs, ours = (gonkit.load(run).gon.classifier for run in (trained("classifier"), tmp_path / "run"))
    assert theirs is not None
    assert ours is not None
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True))
    joint = recipe(STILL, ("[train]", "[loss]\nouter = { mse = 1.0, cross_entropy = 0.1 }\n[train]"))
    assert start(joint, tmp_path / "joint", trained("plain")) == 0  # which has no head
    assert gonkit.load(tmp_path / "joint").gon.classifier is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            [("width = 16", "width = 17\nomega = 10.0")],
            "field.width: 16 there, 17 here\n  field.omega: 30.0 there, 10.0",
        ),
        ([("dim = 6", "dim = 7")], "latent.dim: 6 there, 7 here\nset these keys alike"),
        ([('data = "digits"', 'data = "photos"')], "another\n  channels: 1 there, 3 here\nset"),
        ([("[train]", '[loss]\ninner = "bce"\nouter = { bce = 1.0 }\n[train]')], "one of both predicts logits"),
    ],
)
def test_another_field_is_refused_before_anything_is_written(
    recipe: Write,
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: list[tuple[str, str]],
    message: str,
) -> None:
    capsys.readouterr()
    assert start(recipe(*changes), tmp_path / "run", trained("plain")) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: train.init_from: the field of {trained('plain')} is another\n  ")
    assert message in error
    assert start(recipe(), tmp_path / "run", tmp_path / "none") == 2
    assert "none: cannot be read as a file that gonkit wrote: there is no such file" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
