"""gonkit bench and figure, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gonkit.cli import main

SIZES = ("--batch", "4", "--points", "16", "--width", "8", "--layers", "2", "--rounds", "1", "--json")


def test_a_benchmark_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "encode", "--signals", "64", *SIZES]) == 0
    encode = json.loads(capsys.readouterr().out)
    assert encode["literal_per_s"] > 0
    assert encode["cached_per_s"] > 0
    assert encode["largest_relative_difference"] < 1e-4


def test_recipes_and_runs_are_benchmarked(
    recipe: Callable[..., Path], trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "data", str(recipe()), "--set", "train.batch=8", "--rounds", "1"]) == 0
    assert "fetched_per_s" in capsys.readouterr().out
    assert main(["bench", "objects", str(trained("plain")), "--rounds", "1"]) == 0
    assert "object_s" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["data"], ["objects"], ["encode", "recipe.toml"]])
def test_a_benchmark_takes_a_path_or_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    assert "a recipe goes with data, a run with objects, nothing with the others" in capsys.readouterr().err


def test_figures_that_look_at_training_take_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figure", "7", "--out", str(tmp_path / "out"), "--run", str(tmp_path)]) == 2
    assert "looks at training itself" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_there_are_six_figures(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["figure", "1"])
    assert caught.value.code == 2
    assert "invalid choice: 1" in capsys.readouterr().err
