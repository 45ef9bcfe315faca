"""A whole run on points that differ from signal to signal, and what one does with it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy
import pytest

import gonkit
from gonkit.cli import main

RECIPE = """
name = "days"
[signal]
type = "signals.points:Points"
data = "{data}"
cells = 8
[field]
width = 24
layers = 2
omega = 3.0
[latent]
dim = 4
refine = 3
[train]
steps = 300
batch = 20
learning_rate = 5e-3
compile = false
precision = "fp32"
validate_every = 150
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points")
    random = numpy.random.default_rng(0)
    counts = random.integers(12, 30, 80)
    coords = random.uniform(-1, 1, (counts.sum(), 2))
    place = numpy.repeat(random.uniform(-1, 1, (80, 3)), counts, 0)
    values = numpy.tanh(2 * (coords[:, 0] - place[:, 0])) + place[:, 1] * coords[:, 1] + place[:, 2]
    with h5py.File(folder / "days.h5", "w") as file:
        file["coords"], file["values"], file["signal"] = coords * 100, values, numpy.repeat(numpy.arange(80), counts)
        file["note"] = "kept"
    (folder / "days.toml").write_text(RECIPE.format(data=folder / "days.h5"))
    assert main(["run", str(folder / "days.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_it_beats_interpolation_at_points_that_were_not_seen(run: Path) -> None:
    metrics = json.loads((run / "evaluation.json").read_text())
    assert metrics["psnr"] > metrics["interpolation_psnr"] + 2
    assert "80 signals of 12 to 29 points" in (run / "report.html").read_text()


def test_a_table_is_encoded_and_written_back_with_predictions(run: Path, tmp_path: Path) -> None:
    table = run.parent / "days.h5"
    assert gonkit.load(run).encode(table).shape == (80, 4)
    assert main(["reconstruct", str(run), str(table), "--out", str(tmp_path)]) == 0
    with h5py.File(table) as original, h5py.File(tmp_path / "days.h5") as predicted:
        assert numpy.array_equal(original["coords"], predicted["coords"])
        assert predicted["note"][()] == b"kept"
        error = predicted["values"][()] - original["values"][()]
        assert error.std() < 0.2 * original["values"][()].std()


def test_samples_are_arrays_over_the_bounds(run: Path, tmp_path: Path) -> None:
    assert main(["sample", str(run), "--out", str(tmp_path), "--count", "2", "--resolution", "5"]) == 0
    assert numpy.load(tmp_path / "sample_00.npy").shape == (5, 5, 1)


def test_a_table_of_many_signals_is_not_one_object(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reconstruct", str(run), str(run.parent / "days.h5"), "--out", str(tmp_path), "--resolution", "9"]
    assert main(command) == 2
    assert "80 signals in one file" in capsys.readouterr().err
