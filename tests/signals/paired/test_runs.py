"""Whole runs on pairs, and what is predicted, converted and reconstructed with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image as pillow

import gonkit
from gonkit.cli import main
from gonkit.inference import Model, reconstruct_objects
from gonkit.run import main as run
from tests.conftest import assert_same_pictures
from tests.signals.paired.conftest import write_pictures
from tests.signals.paired.test_signal import RECIPE

SETTINGS = """
[field]
width = 32
layers = 2
omega = 8.0
[latent]
dim = 16
{latent}
[train]
steps = 400
batch = 16
learning_rate = 3e-3
validate_every = 100
[prior]
kind = "normal"
"""
INDEX = torch.tensor([0, 7, 100])


def train(folder: Path, text: str) -> Path:
    (folder / "recipe.toml").write_text(text)
    assert run([str(folder / "recipe.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def translation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    more = SETTINGS.format(latent="") + "[loss]\nouter = { mse = 1.0, source = 0.1 }"
    text = RECIPE.format(task="Translation", pairs="reduced", size=4, more=more)
    return train(tmp_path_factory.mktemp("translation"), text)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    more = SETTINGS.format(latent="dropout = 0.5\nsteps = 1")
    text = RECIPE.format(task="Conditional", pairs="noisy", size=8, more=more)
    return train(tmp_path_factory.mktemp("conditional"), text)


def test_translation_beats_interpolation(translation: Path) -> None:
    evaluation = json.loads((translation / "evaluation.json").read_text())
    assert evaluation["psnr"] > evaluation["bicubic_psnr"] > evaluation["mean_psnr"]
    report = (translation / "report.html").read_text()
    for part in ("<th>bicubic</th>", "samples/sources.png", "samples/reconstructions.png"):
        assert part in report


def test_translation_converts_files(translation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_pictures(tmp_path / "small", "ab", size=4)
    files = [str(folder / "a.png"), str(folder / "b.png")]
    assert main(["convert", str(translation), *files, "--out", str(tmp_path / "converted")]) == 0
    assert sorted(p.name for p in (tmp_path / "converted").iterdir()) == ["a.png", "b.png"]
    assert pillow.open(tmp_path / "converted" / "a.png").size == (8, 8)
    assert gonkit.load(translation).convert(files, resolution=24)[0].size == (24, 24)
    assert main(["reconstruct", str(translation), files[0]]) == 2
    assert "use gonkit convert" in capsys.readouterr().err


def test_translated_test_signals_are_predicted_from_their_inputs(translation: Path) -> None:
    model = Model.load(translation)
    test = model.dataset("test")
    inputs = test.pair(INDEX, evaluate=True).input
    assert inputs.values.shape == (3, 16, 1)
    own = test.inputs(INDEX)
    assert own is not None
    torch.testing.assert_close(inputs.values, own.values)
    predictions = reconstruct_objects(model.gon, model.task, test, INDEX)
    assert_same_pictures(predictions, model.decode(model.gon.encode(inputs)))
    assert_same_pictures(predictions, model.convert(own))
    from_targets = model.decode(model.gon.encode(test.batch(INDEX)))  # which no source would give
    assert [p.tobytes() for p in predictions] != [p.tobytes() for p in from_targets]
    finer = reconstruct_objects(model.gon, model.task, test, INDEX, resolution=16)
    assert_same_pictures(finer, model.convert(own, resolution=16))


def test_conditioning_beats_its_source(conditional: Path) -> None:
    evaluation = json.loads((conditional / "evaluation.json").read_text())
    assert {"psnr", "informed_psnr", "source_psnr", "mean_psnr"} <= evaluation.keys()
    assert evaluation["psnr"] > evaluation["source_psnr"]


def test_conditioning_takes_latents_from_the_origin_the_prior_and_other_pairs(
    conditional: Path, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "inputs", "abc")
    a, b, c = (str(folder / f"{name}.png") for name in "abc")
    convert = ["convert", str(conditional), a, "--out"]
    assert main([*convert, str(tmp_path / "origin")]) == 0
    assert main([*convert, str(tmp_path / "prior"), "--count", "3"]) == 0
    assert main([*convert, str(tmp_path / "style"), "--style", b, c]) == 0
    assert len(list((tmp_path / "prior").iterdir())) == 3
    files = ("origin/a.png", "style/a.png", "prior/a_00.png", "prior/a_01.png")
    assert len({(tmp_path / file).read_bytes() for file in files}) == 4
    (at_origin,) = gonkit.load(conditional).convert([a], latent=torch.zeros(1, 16))
    assert_same_pictures([at_origin], [pillow.open(tmp_path / "origin" / "a.png")])


@pytest.mark.parametrize("resolution", [None, 16, 5])
def test_conditional_test_signals_are_predicted_at_every_resolution(conditional: Path, resolution: int | None) -> None:
    model = Model.load(conditional)
    task, test, side = model.task, model.dataset("test"), resolution or 8
    inputs = test.inputs(INDEX)
    assert inputs is not None
    at_origin = reconstruct_objects(model.gon, task, test, INDEX, resolution, at_origin=True)
    informed = reconstruct_objects(model.gon, task, test, INDEX, resolution)
    assert {picture.size for picture in [*at_origin, *informed]} == {(side, side)}
    assert_same_pictures(at_origin, model.convert(inputs, resolution=resolution))
    latent = model.gon.encode(test.pair(INDEX, evaluate=True).input)
    assert_same_pictures(informed, model.convert(inputs, latent=latent, resolution=resolution))
    coords = task.output_type.grid(resolution).coords
    values = model.gon.decode(latent, coords, task.conditioning(inputs, coords))
    assert_same_pictures(informed, task.output_type.to_objects(values, resolution))


def test_a_model_of_one_type_converts_nothing(
    trained: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = write_pictures(tmp_path / "inputs", "a") / "a.png"
    assert main(["convert", str(trained("plain")), str(picture), "--out", str(tmp_path / "out")]) == 2
    assert "it reconstructs signals of one type; use gonkit reconstruct" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
