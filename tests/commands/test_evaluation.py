"""gonkit evaluate, latents and check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

import gonkit
from gonkit.cli import main
from gonkit.evaluation import read_latents

Trained = Callable[[str], Path]


@pytest.mark.parametrize("kind", ["plain", "classifier", "conditional", "translation", "variational"])
def test_evaluate_repeats_the_run_s_own_metrics(
    trained: Trained, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    expected = json.loads((trained(kind) / "evaluation.json").read_text())
    capsys.readouterr()
    assert main(["evaluate", str(trained(kind)), "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics == {key: pytest.approx(expected[key], rel=1e-5, abs=1e-6) for key in metrics}
    assert ("accuracy" if kind == "classifier" else "psnr") in metrics


def test_evaluate_prints_the_curve_over_shares_of_points(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(trained("plain"))
    capsys.readouterr()
    assert main(["evaluate", run, "--observed", "0.2,1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["observed"]
    assert [row["observed"] for row in rows] == [0.2, 1.0]
    assert main(["evaluate", run, "--observed", "0.2,1"]) == 0
    assert capsys.readouterr().out.split()[:4] == ["observed", "psnr", "hidden", "zeros"]
    with pytest.raises(SystemExit):
        main(["evaluate", run, "--observed", "0.2,1.5"])


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_latents_are_written_for_all_splits(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"latents{suffix}"
    assert main(["latents", str(trained("plain")), "--out", str(path)]) == 0
    assert f"{path}: 1437 train, 180 val, 180 test" in capsys.readouterr().out
    tables, test = read_latents(path), gonkit.load(trained("plain")).dataset("test")
    assert [len(table.latent) for table in tables.values()] == [1437, 180, 180]
    expected = gonkit.load(trained("plain")).encode(test.batch(torch.arange(len(test))))
    torch.testing.assert_close(tables["test"].latent, expected)
    assert main(["latents", str(trained("plain")), "--out", str(tmp_path / "x.csv")]) == 2
    assert ".npz or .h5" in capsys.readouterr().err


def test_check_inspects_every_file_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sub").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "sub" / "good.png")
    (tmp_path / "notes.txt").write_text("not a signal")
    assert main(["check", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {str(Path("sub", "good.png")): {"verdict": "good"}}
    (tmp_path / "bad.png").write_text("no picture")
    assert main(["check", str(tmp_path), "--type", "signals.image:Image"]) == 2
    output = capsys.readouterr()
    assert output.err == "error: 1 of 2 files cannot be used\n"
    assert "cannot be read as a picture" in output.out
    assert main(["check", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--type", "signals.audio:Audio"]) == 2
    assert "no files in it or below that Audio reads" in capsys.readouterr().err


def test_check_says_how_training_would_divide_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for shade, name in enumerate(("train/cat", "train/dog", "test/cat", "test/dog", "train/.ipynb_checkpoints")):
        for number in range(4):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), 9 * number + shade).save(tmp_path / name / f"{number}.png")
    (tmp_path / "notes.txt").touch()
    assert main(["check", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 16 + 2
    assert lines[-2:] == ["not read: 1 .txt", "splits: train 7, val 1, test 8; classes: cat 8, dog 8"]
