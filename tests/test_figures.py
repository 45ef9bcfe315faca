"""The paper's figures, small and quick."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from gonkit.cli import main
from gonkit.plots import draw_curve, draw_histogram

SMALL = [
    part
    for setting in ("signal.data=digits", "field.width=16", "field.layers=2", "train.batch=16", "latent.dim=6")
    for part in ("--set", setting)
]


@pytest.fixture(scope="module")
def seventh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figure") / "7"
    points = ["--set", "train.points=32"]
    assert main(["figure", "7", "--quick", "--out", str(folder), *SMALL, *points]) == 0
    return folder


def test_the_latents_distribution_is_drawn_and_measured_at_four_steps(seventh: Path) -> None:
    measured = json.loads((seventh / "figure7.json").read_text())
    assert list(measured) == ["0", "20", "80", "300"]
    for step, figures in measured.items():
        assert {"normality", "skewness", "excess_kurtosis"} <= figures.keys()
        assert Image.open(seventh / f"figure7_step{step}.png").size == (640, 300)


@pytest.mark.parametrize("number", [3, 4])
def test_paths_and_samples_are_drawn_from_a_run(seventh: Path, tmp_path: Path, number: int) -> None:
    assert main(["figure", str(number), "--out", str(tmp_path), "--run", str(seventh / "space")]) == 0
    assert Image.open(tmp_path / f"figure{number}.png").width > 600


def test_the_first_minute_is_stamped(tmp_path: Path) -> None:
    settings = [*SMALL, "--set", "train.points=32"]
    assert main(["figure", "5", "--quick", "--out", str(tmp_path), *settings]) == 0
    curve = json.loads((tmp_path / "figure5.json").read_text())["curve"]
    assert curve[0]["step"] == 0
    assert [point["seconds"] for point in curve] == sorted(point["seconds"] for point in curve)
    assert curve[-1]["psnr"] > curve[0]["psnr"]


def test_small_networks_have_the_parameters_they_are_named_by(tmp_path: Path) -> None:
    settings = ["--set", "signal.data=digits", "--set", "train.steps=20", "--set", "train.batch=8"]
    assert main(["figure", "2", "--out", str(tmp_path), *settings]) == 0
    measured = json.loads((tmp_path / "figure2.json").read_text())
    assert list(measured) == ["4321_parameters", "4385_parameters"]


def test_figures_that_watch_training_take_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figure", "7", "--out", str(tmp_path), "--run", str(tmp_path)]) == 2
    assert "looks at training itself" in capsys.readouterr().err


def test_a_histogram_follows_its_normal() -> None:
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    picture = draw_histogram(values, "title")
    assert picture.size == draw_curve([(0.0, 1.0), (1.0, 2.0)], "title", "x", "y").size
    colors = {color for _, color in picture.getcolors(1 << 20)}
    assert (157, 195, 230) in colors
