"""Curves, pictures and embeddings for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import gonkit
from gonkit.data import evenly_spaced
from gonkit.training import RunLogger, read_metrics
from signals.image import Image

Trained = Callable[[str], Path]


def tags(folder: Path) -> dict[str, list[str]]:
    """TensorBoard's tags of a run, by kind."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return {kind: found for kind, found in events.Tags().items() if isinstance(found, list)}


def test_a_run_logs_curves_previews_and_histograms(trained: Trained) -> None:
    found = tags(trained("plain"))
    curves = {"train/loss", "train/psnr", "train/gradient_norm", "train/learning_rate", "validation/psnr"}
    assert curves | {"validation/loss", "latent/norm", "latent/normality"} <= set(found["scalars"])
    assert {"previews/reconstructions", "previews/samples", "previews/interpolation"} <= set(found["images"])
    assert {"latent/values", "latent/norms"} <= set(found["histograms"])


def test_a_classifier_logs_its_classification(trained: Trained) -> None:
    found = tags(trained("classifier"))
    names = ("accuracy", "nll", "calibration")
    assert {f"classification/{name}" for name in names} | {"validation/accuracy"} <= set(found["scalars"])
    assert found["images"] == ["classification/confusion_matrix"]
    assert not [name for name in found["scalars"] if "psnr" in name]


def test_a_conditional_model_shows_no_samples(trained: Trained) -> None:
    assert tags(trained("conditional"))["images"] == ["previews/reconstructions"]


def test_the_projector_has_latents_names_labels_and_thumbnails(trained: Trained) -> None:
    folder = trained("plain") / "projector"
    config = (folder / "projector_config.pbtxt").read_text()
    table = next(folder.rglob("tensors.tsv"))
    metadata, sprite = table.with_name("metadata.tsv"), table.with_name("sprite.png")
    for path in (table, metadata, sprite):
        assert str(path.relative_to(folder)) in config
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    lines = metadata.read_text().splitlines()
    assert lines[0] == "name\tlabel"
    assert len(lines) == len(rows) + 1
    model = gonkit.load(trained("plain"))
    test = model.dataset("test")
    latent = torch.tensor([[float(number) for number in row] for row in rows])
    expected = model.encode(test.batch(evenly_spaced(len(rows), len(test))))
    torch.testing.assert_close(latent, expected, atol=1e-4, rtol=1e-3)


def test_a_resumed_log_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    signal = Image(data="digits")
    with RunLogger(tmp_path, signal, 0, 10, quiet=True) as logger:
        for step in (2, 4, 6):
            logger.log_scalars(step, {"train/loss": 1.0 / step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "train/lo')  # cut short by a kill
    assert [line["step"] for line in read_metrics(tmp_path)] == [2, 4, 6]
    with RunLogger(tmp_path, signal, 4, 10, quiet=True) as logger:
        logger.log_scalars(6, {"train/loss": 0.5})
    assert read_metrics(tmp_path) == [
        {"step": 2, "train/loss": pytest.approx(0.5)},
        {"step": 4, "train/loss": pytest.approx(0.25)},
        {"step": 6, "train/loss": pytest.approx(0.5)},
    ]
