"""How close samples are to real signals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import gonkit
from gonkit.cli import main
from gonkit.errors import GonkitError
from gonkit.evaluation import (
    evaluate_samples,
    load_feature_classifier,
    load_or_train_classifier,
    refit_prior,
)
from gonkit.run import main as run
from tests.conftest import changed_recipe

Trained = Callable[[str], Path]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on labeled digits that is long enough for samples to look like digits."""
    folder = tmp_path_factory.mktemp("digits")
    longer = changed_recipe(("steps = 12", "steps = 200\nlearning_rate = 2e-3"))
    (folder / "digits.toml").write_text(longer)
    assert run([str(folder / "digits.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_samples_are_measured_beside_real_signals(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    results = []
    for options in ([], ["--prior", "normal"], ["--prior", "normal", "--per-class"]):
        assert main(["evaluate", str(digits), "--samples", "--count", "150", "--json", *options]) == 0
        results.append(json.loads(capsys.readouterr().out))
    first = results[0]
    for name in ("", "_reconstructions", "_ceiling"):
        assert first["gonkit_frechet_floor"] < 0.8 * first[f"gonkit_frechet{name}"]
    assert 0 <= first["near_copies"] <= 1
    assert first["samples"] == 150
    assert first["classifier_accuracy"] > 0.9
    assert {metrics["classifier"] for metrics in results} == {first["classifier"]}
    assert first["classifier"] == load_feature_classifier(digits / "classifier.safetensors").hash()
    for metrics in results:
        assert {
            "precision",
            "recall",
            "precision_floor",
            "recall_floor",
            "diversity",
            "nearest_mean",
            "log_likelihood",
        } <= metrics.keys()
    (tmp_path / "elsewhere").write_bytes((digits / "classifier.safetensors").read_bytes())
    explicit = ["--classifier", str(tmp_path / "elsewhere")]
    assert main(["evaluate", str(digits), "--samples", "--count", "150", "--json", *explicit]) == 0
    assert json.loads(capsys.readouterr().out)["classifier"] == first["classifier"]
    assert main(["evaluate", str(digits), "--samples", "--classifier", str(digits / "model.safetensors")]) == 2
    assert "not a classifier of samples" in capsys.readouterr().err


def test_a_run_s_classifier_is_trained_once_and_lies_beside_the_model(digits: Path) -> None:
    model = gonkit.load(digits)
    train = model.dataset("train")
    by_folder = load_or_train_classifier(model, train, None, digits)
    by_file = load_or_train_classifier(model, train, None, digits / "model.safetensors")
    assert by_folder is not None
    assert by_file is not None
    assert by_folder.hash() == by_file.hash()


def test_without_a_classifier_only_its_metrics_are_missing(trained: Trained, tmp_path: Path) -> None:
    model = gonkit.load(trained("plain"))
    train, test = model.dataset("train"), model.dataset("test")
    metrics = evaluate_samples(model, train, test, None, count=20)
    assert metrics.keys() == {"samples", "log_likelihood", "nearest_mean", "test_nearest_mean", "near_copies"}
    assert evaluate_samples(model, train, test, None, count=10**6)["samples"] == len(test)


def test_a_refitted_prior_is_of_the_requested_kind(trained: Trained) -> None:
    model = gonkit.load(trained("plain"))
    train = model.dataset("train")
    prior = refit_prior(model, "normal")
    latent = model.encode(train.batch(torch.arange(len(train))))
    torch.testing.assert_close(prior.sample(20_000).mean(0), latent.mean(0), atol=0.05 * latent.std().item(), rtol=0)
    assert prior.num_components == 1
    assert refit_prior(model, "normal", per_class=True).num_components == 10


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("translation", "converts one type of signal to another"),
        ("conditional", "this model cannot sample: its field needs a source"),
        ("classifier", "this model cannot sample"),
    ],
)
def test_models_without_samples_of_their_own_are_refused(trained: Trained, kind: str, message: str) -> None:
    model = gonkit.load(trained(kind))
    with pytest.raises(GonkitError, match=message):
        evaluate_samples(model, model.dataset("train"), model.dataset("test"), None)


def test_a_prior_per_class_needs_labels(trained: Trained) -> None:
    with pytest.raises(GonkitError, match="--per-class: the training signals have no labels"):
        refit_prior(gonkit.load(trained("conditional")), "normal", per_class=True)
