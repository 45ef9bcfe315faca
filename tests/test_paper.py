"""The paper's figures, small and quick."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gonkit.cli import main
from gonkit.errors import GonkitError, TrainingInterrupted
from gonkit.paper import draw_figure
from gonkit.recipe import read_recipe
from gonkit.training import TrainStep

SMALL = ("signal.data=digits", "field.width=16", "field.layers=2", "train.batch=16", "latent.dim=6")
POINTS = (*SMALL, "train.points=32")


@pytest.fixture(scope="module")
def seventh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figure") / "7"
    settings = [part for setting in POINTS for part in ("--set", setting)]
    assert main(["figure", "7", "--quick", "--out", str(folder), *settings]) == 0
    return folder


def test_the_distribution_of_latents_is_drawn_and_measured_at_four_steps(seventh: Path) -> None:
    measured = json.loads((seventh / "figure7.json").read_text())
    assert list(measured) == ["0", "20", "80", "300"]
    for step, metrics in measured.items():
        assert {"normality", "std", "skewness", "excess_kurtosis"} <= metrics.keys()
        assert Image.open(seventh / f"figure7_step{step}.png").size == (640, 360)


def test_a_figure_leaves_a_run_like_any_other(seventh: Path) -> None:
    run = seventh / "space"
    names = {path.name for path in run.iterdir()}
    assert {"recipe.toml", "versions.json", "model.safetensors", "evaluation.json", "report.html"} <= names
    recipe = read_recipe(run / "recipe.toml")
    assert "auto" not in (recipe.train.precision, recipe.train.compile, recipe.train.max_points)
    auto = json.loads((run / "versions.json").read_text())["auto"]
    assert auto.keys() == {"train.precision", "train.compile", "train.max_points"}


def test_a_finished_run_shows_no_training(seventh: Path) -> None:
    with pytest.raises(GonkitError, match="holds a finished run, but this figure looks at training"):
        draw_figure(7, seventh, POINTS, quick=True)
    with pytest.raises(GonkitError, match=r"holds a run with other settings \(latent.dim, train.steps"):
        draw_figure(7, seventh, (*POINTS, "latent.dim=5"))


@pytest.mark.parametrize("number", [3, 4])
def test_paths_and_samples_are_drawn_from_a_run(seventh: Path, tmp_path: Path, number: int) -> None:
    assert main(["figure", str(number), "--out", str(tmp_path), "--run", str(seventh / "space")]) == 0
    assert Image.open(tmp_path / f"figure{number}.png").width > 600


def test_the_first_minute_has_time_stamps(tmp_path: Path) -> None:
    draw_figure(5, tmp_path, POINTS, quick=True)
    curve = json.loads((tmp_path / "figure5.json").read_text())["curve"]
    assert curve[0]["step"] == 0
    assert [point["seconds"] for point in curve] == sorted(point["seconds"] for point in curve)
    assert curve[-1]["psnr"] > curve[0]["psnr"]
    assert (tmp_path / "figure5_curve.png").is_file()


def test_small_networks_have_the_parameters_that_the_figure_names(tmp_path: Path) -> None:
    draw_figure(2, tmp_path, ("signal.data=digits", "train.steps=20", "train.batch=8"))
    measured = json.loads((tmp_path / "figure2.json").read_text())
    assert list(measured) == ["4321_parameters", "4385_parameters"]


def test_classes_are_drawn_in_a_plane(tmp_path: Path, trained: Callable[[str], Path]) -> None:
    settings = (*SMALL[:-1], "train.steps=20")
    assert [path.name for path in draw_figure(6, tmp_path, settings)] == ["figure6.png", "figure6.json"]
    measured = json.loads((tmp_path / "figure6.json").read_text())
    assert measured.keys() == {"accuracy", "nll", "calibration"}
    with pytest.raises(GonkitError, match="figure 6 needs a classifier"):
        draw_figure(6, tmp_path, run=trained("plain"))


def test_classes_need_labels(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("L", (8, 8), 40 * number).save(tmp_path / f"{number}.png")
    settings = (*SMALL[1:-1], f"signal.data={tmp_path}", "signal.size=8", "train.steps=5")
    with pytest.raises(GonkitError, match=r"a loss on labels \(cross_entropy\) needs them"):
        draw_figure(6, tmp_path / "figure", settings)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_an_interrupted_figure_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = (*POINTS, "train.validate_every=5", "train.steps=12")
    whole = draw_figure(4, tmp_path / "whole", settings)
    loss = TrainStep.loss

    def interrupted(self: TrainStep, step: int, *inputs: object) -> object:
        if step == 8:
            raise TrainingInterrupted("stopped")
        return loss(self, step, *inputs)  # type: ignore[arg-type]

    with monkeypatch.context() as context:
        context.setattr(TrainStep, "loss", interrupted)
        with pytest.raises(TrainingInterrupted):
            draw_figure(4, tmp_path / "parts", settings)
    parts = draw_figure(4, tmp_path / "parts", settings)
    assert Image.open(whole[0]).tobytes() == Image.open(parts[0]).tobytes()


def test_an_unknown_figure_is_named(tmp_path: Path) -> None:
    with pytest.raises(GonkitError, match="figure 8: there is no such figure; choose from 2, 3, 4, 5, 6, 7"):
        draw_figure(8, tmp_path)
