"""Models that someone else made: no path of theirs is written to, fetched to, or looked at without need."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as pillow

import gonkit
from gonkit.cli import main
from gonkit.errors import GonkitError
from gonkit.files import read_tensors
from gonkit.inference import build_gon
from gonkit.inference.model_file import ModelContent, write_model_file
from gonkit.priors import standard_normal
from gonkit.recipe import Recipe, parse_recipe, recipe_from_dict, remember_recipe
from signals.image import Image
from signals.shape import Distance
from tests.conftest import COLORIZE, IMAGES, ROOT, changed_recipe
from tests.inference.test_model_file import rewritten

Trained = Callable[[str], Path]

SHAPES = """
name = "shapes"
field = { width = 8, layers = 2 }
latent.dim = 4
[signal]
type = "signals.shape:Distance"
cells = 8
count = 10
points = 256
"""
WATCH = """
import sys

seen = []
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))

from gonkit.cli import main

for command in (["sample", MODEL, "--count", "1"], ["reconstruct", MODEL, PICTURE]):
    assert main(command) == 0
touched = [event for event in seen if "theirs" in str(event)]
assert not touched, touched
assert main(["evaluate", MODEL]) == 2  # there are no pictures
assert [event for event in seen if "theirs" in str(event)]
"""


def test_what_would_write_or_fetch_has_its_default_in_a_foreign_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"{SHAPES}cache = '/theirs/points'\ndata = '/theirs/meshes'\n"
    assert parse_recipe(text).signal.cache == "/theirs/points"  # type: ignore[attr-defined]
    foreign = parse_recipe(text, stored=True).signal
    assert isinstance(foreign, Distance)
    assert (foreign.cache, foreign.data) == (str(tmp_path / "data" / "points"), "/theirs/meshes")
    asked = parse_recipe(text, ["signal.cache=mine"], stored=True).signal
    assert asked.cache == str(tmp_path / "mine")  # type: ignore[attr-defined]
    pairs = changed_recipe((IMAGES, COLORIZE.replace('data = "photos"', 'data = "mnist"\ndownload = true')))
    for changes, expected in (([], (False, False)), (["signal.target.download=true"], (True, False))):
        task = parse_recipe(pairs, changes, stored=True).signal
        images = (task.output_type, task.input_type)
        assert tuple(one.download for one in images if isinstance(one, Image)) == expected


def test_the_user_s_own_recipe_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    text = f"{SHAPES}cache = '/mine/points'\n"
    assert parse_recipe(text, stored=True).signal.cache != "/mine/points"  # type: ignore[attr-defined]
    remember_recipe(text)
    assert parse_recipe(text, stored=True).signal.cache == "/mine/points"  # type: ignore[attr-defined]


def written(recipe: Recipe, path: Path) -> Path:
    """The model file of an untrained network."""
    write_model_file(path, ModelContent(recipe, build_gon(recipe), standard_normal(recipe.latent.dim), (), False))
    return path


def test_a_foreign_model_writes_prepared_points_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    recipe = parse_recipe(f"{SHAPES}cache = '{tmp_path}/theirs'\n")
    model = written(recipe, tmp_path / "model.safetensors")
    assert len(gonkit.load(model).sample(1)) == 1
    assert not Path("data").exists()
    assert main(["evaluate", str(model)]) == 0
    assert list(Path("data", "points").glob("*.h5"))
    assert not (tmp_path / "theirs").exists()
    assert main(["evaluate", str(model), "--trust-code"]) == 0
    assert list((tmp_path / "theirs").glob("*.h5"))


def test_a_foreign_model_downloads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    signal = {"type": "signals.image:Image", "data": "mnist", "root": "theirs", "download": True}
    recipe = recipe_from_dict({"name": "x", "signal": signal, "field": {"width": 8}, "latent": {"dim": 4}})
    model = written(recipe, tmp_path / "model.safetensors")
    assert gonkit.load(model).task.download is False  # type: ignore[attr-defined]
    assert main(["evaluate", str(model)]) == 2
    assert f"MNIST is not in {tmp_path / 'theirs'}" in capsys.readouterr().err
    assert not (tmp_path / "theirs").exists()


@pytest.mark.parametrize("kind", ["array", "points"])
def test_a_foreign_model_s_data_are_not_read_to_fill_in_settings(kind: str, tmp_path: Path) -> None:
    text = f"name = 'x'\n[signal]\ntype = 'signals.{kind}:{kind.title()}'\ndata = '{tmp_path / 'theirs.h5'}'\n"
    with pytest.raises(GonkitError, match="no such file"):
        parse_recipe(text)
    with pytest.raises(GonkitError, match="a model of someone else must say them"):
        parse_recipe(text, stored=True)


@pytest.mark.slow
def test_opening_sampling_and_reconstructing_look_at_no_path_of_the_model(trained: Trained, tmp_path: Path) -> None:
    pillow.new("L", (8, 8), 99).save(tmp_path / "a.png")
    (tmp_path / "theirs").mkdir()
    pictures = f'data = "{tmp_path}/theirs/"\nsize = 8\ncolor = "gray"'
    _, metadata = read_tensors(trained("plain") / "model.safetensors")
    text = metadata["recipe"].replace('data = "set:digits"', pictures)
    assert pictures in text
    model = rewritten(trained("plain"), tmp_path / "model.safetensors", recipe=text)
    script = f"MODEL, PICTURE = {str(model)!r}, {str(tmp_path / 'a.png')!r}\n{WATCH}"
    watched = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert watched.returncode == 0, watched.stderr
