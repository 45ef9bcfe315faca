"""A whole run on arrays with missing values, and what one does with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

import gonkit
from gonkit.cli import main

RECIPE = """
name = "fields"
[signal]
type = "signals.array:Array"
data = "{data}"
axes = ["time", "y", "x"]
channel_names = ["u", "v"]
unit = "m/s"
[field]
width = 24
layers = 2
omega = 3.0
series = 600
series_width = 32
[latent]
dim = 6
refine = 2
[train]
steps = 150
batch = 20
learning_rate = 3e-3
compile = false
precision = "fp32"
validate_every = 100
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("array")
    generator = numpy.random.default_rng(0)
    t, y, x = numpy.meshgrid(*(numpy.linspace(-1, 1, n) for n in (5, 6, 8)), indexing="ij")
    place = generator.uniform(-1, 1, (60, 3, 1, 1, 1))
    blobs = numpy.exp(-2 * ((x - place[:, 0] - 0.5 * t) ** 2 + (y - place[:, 1]) ** 2))
    fields = numpy.stack((blobs, place[:, 2] * x + y), -1) * 10
    fields[generator.uniform(size=fields.shape) < 0.1] = numpy.nan
    numpy.save(folder / "fields.npy", fields)
    numpy.save(folder / "one.npy", fields[0])
    (folder / "fields.toml").write_text(RECIPE.format(data=folder / "fields.npy"))
    assert main(["run", str(folder / "fields.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_it_beats_principal_components_where_values_are_missing(run: Path) -> None:
    metrics = json.loads((run / "evaluation.json").read_text())
    assert metrics["psnr"] > metrics["pca_psnr"] + 1
    assert "60 arrays read as time 5 × y 6 × x 8, 2 channel(s) along axis -1" in (run / "report.html").read_text()


def test_files_are_filled_in_and_samples_have_any_resolution(run: Path, tmp_path: Path) -> None:
    one = run.parent / "one.npy"
    assert main(["reconstruct", str(run), str(one), "--out", str(tmp_path)]) == 0
    original, filled = numpy.load(one), numpy.load(tmp_path / "one.npy")
    assert filled.shape == original.shape
    assert numpy.isnan(original).any()
    assert numpy.isfinite(filled).all()
    assert numpy.nanmean((filled - original) ** 2) < 0.2 * numpy.nanvar(original)
    command = ["sample", str(run), "--out", str(tmp_path), "--count", "2"]
    assert main([*command, "--resolution", "10"]) == 0
    assert numpy.load(tmp_path / "sample_00.npy").shape == (10, 12, 16, 2)
    assert main([*command, "--resolution", "3x12x4"]) == 0
    assert numpy.load(tmp_path / "sample_01.npy").shape == (3, 12, 4, 2)


def test_a_resolution_of_another_number_of_axes_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(run), "--resolution", "3x12"]) == 2
    assert "one for each axis, time × y × x" in capsys.readouterr().err


def test_a_latent_needs_no_point_that_is_missing(run: Path) -> None:
    model = gonkit.load(run)
    array = numpy.load(run.parent / "one.npy")
    from_file, from_memory = model.encode([run.parent / "one.npy"]), model.encode(array)
    assert numpy.allclose(from_file, from_memory)
    assert model.encode([array, array]).shape == (2, 6)
