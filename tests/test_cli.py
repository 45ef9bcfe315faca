"""The commands that use a trained run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gonkit.cli import main
from gonkit.run import main as run
from tests.conftest import RECIPE, ROOT


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.toml").write_text(RECIPE)
    assert run([str(folder / "small.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_sample_writes_files_of_any_size(trained: Path, tmp_path: Path) -> None:
    arguments = ["sample", str(trained), "--count", "3", "--resolution", "64", "--out", str(tmp_path)]
    assert main(arguments) == 0
    files = sorted(tmp_path.glob("*.png"))
    assert [file.name for file in files] == ["sample_00.png", "sample_01.png", "sample_02.png"]
    assert {Image.open(file).size for file in files} == {(64, 64)}


def test_a_small_chunk_changes_nothing(trained: Path, tmp_path: Path) -> None:
    for name, chunk in (("one", "7"), ("two", "100000")):
        arguments = ["sample", str(trained), "--count", "2", "--chunk", chunk, "--out", str(tmp_path / name)]
        assert main(arguments) == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_reconstruct_reads_pictures_and_gives_figures(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.png"
    Image.new("RGB", (30, 20), (200, 90, 10)).save(own)
    assert main(["reconstruct", str(trained), str(own), "--json", "--out", str(tmp_path / "out")]) == 0
    figures = json.loads(capsys.readouterr().out)[str(own)]
    assert Image.open(figures["file"]).size == (30, 20)
    assert figures["psnr"] > 0


def test_interpolate_begins_and_ends_at_the_reconstructions(trained: Path, tmp_path: Path) -> None:
    files = [str(trained / "samples" / f"sample_0{i}.png") for i in (0, 1)]
    assert main(["reconstruct", str(trained), *files, "--out", str(tmp_path / "ends")]) == 0
    assert main(["interpolate", str(trained), *files, "--steps", "5", "--out", str(tmp_path / "path")]) == 0
    steps = sorted((tmp_path / "path").glob("*.png"))
    assert len(steps) == 5
    for step, end in ((steps[0], "sample_00.png"), (steps[-1], "sample_01.png")):
        difference = [
            abs(a - b)
            for a, b in zip(Image.open(step).tobytes(), Image.open(tmp_path / "ends" / end).tobytes(), strict=True)
        ]
        assert max(difference) <= 1


def test_interpolate_without_files_goes_between_samples(trained: Path, tmp_path: Path) -> None:
    assert main(["interpolate", str(trained), "--steps", "4", "--out", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_evaluate_repeats_the_run_s_own_figures(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(trained), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    first = json.loads((trained / "evaluation.json").read_text())
    assert again == {key: pytest.approx(first[key], rel=1e-6) for key in again}
    assert "psnr" in again


def test_bench_prints_every_promised_figure(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--batch", "4", "--points", "16", "--width", "8", "--layers", "2", "--rounds", "2", "--json"]
    assert main(["bench", "step", *sizes]) == 0
    step = json.loads(capsys.readouterr().out)
    for name in ("literal", "shared", "compiled", "compiled_bf16", "outer"):
        assert step[f"{name}_s"] is None or step[f"{name}_s"] > 0
    assert {"literal_mad", "shared_peak_mb", "literal_over_shared", "shared_over_outer"} <= step.keys()
    assert main(["bench", "encode", "--signals", "64", *sizes]) == 0
    encode = json.loads(capsys.readouterr().out)
    assert encode["literal_per_s"] > 0
    assert encode["cached_per_s"] > 0
    assert encode["largest_relative_difference"] < 1e-5


def test_the_readme_s_python_runs_as_it_stands_there(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert 8 <= len(example.splitlines()) <= 14
    shutil.copytree(trained, tmp_path / "runs" / "digits" / "0001")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(
        [f"new_{i}.png" for i in range(4)] + [f"between_{i}.png" for i in range(6)]
    )


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (lambda run, tmp: ["sample", str(tmp / "none")], "no such file"),
        (lambda run, tmp: ["sample", str(tmp)], "no model.safetensors"),
        (lambda run, tmp: ["sample", str(run / "recipe.toml")], "not a file that gonkit wrote"),
        (lambda run, tmp: ["sample", str(run / "checkpoint.safetensors")], "holds no recipe"),
        (lambda run, tmp: ["reconstruct", str(run), str(tmp / "none.png")], "none.png"),
        (lambda run, tmp: ["reconstruct", str(run), str(run / "recipe.toml")], "cannot be read as a picture"),
        (lambda run, tmp: ["interpolate", str(run), "one.png"], "give two files"),
        (lambda run, tmp: ["sample", str(run), "--device", "abacus"], "cannot be used here"),
    ],
)
def test_mistakes_are_named_without_traceback(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: Callable[[Path, Path], list[str]],
    needle: str,
) -> None:
    assert main(arguments(trained, tmp_path)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert needle in said
