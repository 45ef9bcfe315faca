"""gonkit run: as a user starts, stops, resumes and spoils a run."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import gonkit
from gonkit.cli import main as gonkit_command
from gonkit.files import read_tensors, write_tensors
from gonkit.run import main
from gonkit.training import read_metrics
from tests.conftest import ROOT

Write = Callable[..., Path]
Interrupt = Callable[..., tuple[str, str]]
Trained = Callable[[str], Path]


def run(recipe: Path, out: Path, *more: str) -> int:
    return main([str(recipe), "--out", str(out), "--quiet", *more])


def start(module: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def assert_same_run(a: Path, b: Path) -> None:
    for name in ("checkpoint.safetensors", "model.safetensors"):
        expected, weights = load_file(a / name), load_file(b / name)
        assert expected.keys() == weights.keys()
        assert all(torch.equal(expected[key], weights[key]) for key in expected)
    assert read_metrics(a) == read_metrics(b)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_process_ended_by_a_signal_resumes_to_the_same_weights(
    recipe: Write, interrupt: Interrupt, trained: Trained, tmp_path: Path, number: signal.Signals
) -> None:
    path = recipe(interrupt(number, step=7))
    process = start("gonkit.run", str(path), "--out", "cut", "--quiet", cwd=tmp_path)
    _, message = process.communicate(timeout=120)
    assert not (tmp_path / "order.json").exists()
    assert not (tmp_path / "cut" / "report.html").exists()
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 3
        assert message == "stopped after step 7 of 12; resume with: python -m gonkit.run --resume cut\n"
    assert main(["--resume", str(tmp_path / "cut"), "--quiet"]) == 0
    assert_same_run(trained("plain"), tmp_path / "cut")


def test_a_scheduler_s_sigterm_stops_after_the_step(
    recipe: Write, interrupt: Interrupt, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(interrupt(signal.SIGTERM, step=7))
    assert run(path, tmp_path / "cut") == 3
    assert "stopped after step 7 of 12; resume with: python -m gonkit.run --resume" in capsys.readouterr().err
    assert main(["--resume", str(tmp_path / "cut"), "--quiet"]) == 0
    assert_same_run(trained("plain"), tmp_path / "cut")


def test_a_stopped_run_says_how_it_is_resumed(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(recipe(), folder, "--stop-after", "4") == 3
    assert capsys.readouterr().err == (
        f"stopped after step 4 of 12; resume with: python -m gonkit.run --resume {folder}\n"
    )
    assert gonkit_command(["run", "--resume", str(folder), "--quiet"]) == 0
    assert f"report: {folder / 'report.html'}" in capsys.readouterr().out


def test_both_commands_give_the_same_weights(recipe: Write, trained: Trained, tmp_path: Path) -> None:
    assert gonkit_command(["run", str(recipe()), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    first, second = (load_file(folder / "model.safetensors") for folder in (trained("plain"), tmp_path / "run"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_dry_run_prints_sizes_and_writes_nothing(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe()
    monkeypatch.chdir(tmp_path)
    assert main([str(path), "--dry-run", "--set", "field.width=32"]) == 0
    text = capsys.readouterr().out
    assert "width = 32" in text
    assert "parameters: 1,377" in text  # (2·32) + (6·32 + 32) + (32·32 + 32) + (32 + 1)
    assert "1,437 signals" in text
    assert "MiB" in text
    assert [p.name for p in tmp_path.iterdir()] == ["small.toml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "train.stepz=3"], "did you mean 'steps'"),
        (["--set", "train.steps=many"], "train.steps: got 'many'"),
        (["--set", "train.floor=0.1"], "train.floor: this key is called train.lr_floor now"),
        (["--set", "signal.data=/nowhere"], "no such folder"),
        (["--set", "signal.data=mnist", "--set", "signal.root=/nowhere"], "signal.download = true"),
        (["--set", "train.device=abacus"], "train.device"),
        (["--set", "train.keep=finest"], "train.keep"),
        (["--set", "prior.kind=unit", "--set", "prior.per_class=true"], "per_class"),
        (["--set", "loss.inner=mze"], "did you mean 'mse'"),
        (["--set", "loss.inner=bce"], "must take the field's values alike"),
    ],
)
def test_mistakes_are_named_without_traceback(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(recipe(), tmp_path / "run", *arguments) == 2
    output = capsys.readouterr().err
    assert output.startswith("error: ")
    assert message in output


def test_a_loss_on_labels_needs_labels(recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from signals.image import Image

    signal_type = Image(data="digits")
    for number in range(6):
        picture = signal_type.to_object(torch.rand(8, 8, 1))
        signal_type.files.save(picture, tmp_path / "pictures" / f"{number}")
    path = recipe(
        ('data = "digits"', f'data = "{tmp_path / "pictures"}"\nsize = 8'),
        ("[train]", "[loss]\nouter = { cross_entropy = 1.0 }\n[train]"),
    )
    assert run(path, tmp_path / "run") == 2
    assert "a loss on labels (cross_entropy) needs them" in capsys.readouterr().err


def test_a_diverging_run_explains_itself_and_leaves_no_model(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = recipe(("batch = 16", "batch = 16\nlearning_rate = 1e38\nwarmup = 0"))
    assert run(wild, tmp_path / "run") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: the loss or its gradient was not finite at step 2; ")
    assert "train.learning_rate" in message
    assert (tmp_path / "run" / "failure.json").is_file()
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_an_existing_folder_is_left_alone(recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    assert run(recipe(), folder) == 2
    assert "--resume" in capsys.readouterr().err
    assert (folder / "thesis.txt").read_text() == "years of work"
    assert main(["--resume", str(folder)]) == 2
    assert "no recipe.toml" in capsys.readouterr().err


def test_a_checkpoint_of_another_format_is_refused(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(recipe(), folder, "--stop-after", "4") == 3
    path = folder / "checkpoint.safetensors"
    tensors, metadata = read_tensors(path)
    del metadata["format"]  # as the first format was
    write_tensors(path, tensors, metadata)
    capsys.readouterr()
    assert main(["--resume", str(folder), "--quiet"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path}: a checkpoint of format 1")
    assert message.endswith("start the run's recipe again\n")
    assert not (folder / "model.safetensors").exists()


@pytest.mark.parametrize("arguments", [[], ["x.toml", "--resume", "run"], ["--resume", "run", "--out", "other"]])
def test_arguments_that_do_not_go_together(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "--resume" in capsys.readouterr().err


@pytest.mark.slow
def test_without_a_compiler_training_goes_on(recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe(("batch = 16", "batch = 17\ncompile = true"))
    environment = {"PATH": "/nowhere", "CXX": "/nowhere/c++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    process = start("gonkit.run", str(path), "--out", "run", "--quiet", cwd=tmp_path)
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert (output + errors).count("training goes on without it") == 1


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        gonkit_command(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gonkit {gonkit.__version__}\n"


@pytest.mark.slow
def test_the_package_is_the_command(tmp_path: Path) -> None:
    process = start("gonkit", "--version", cwd=tmp_path)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, f"gonkit {gonkit.__version__}\n", "")


def send_sigterm(*arguments: object, **options: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_sigterm_after_training_leaves_a_run_that_can_be_resumed(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("gonkit.pipeline.run.write_artifacts", send_sigterm)
        assert run(recipe(), folder) == 3
    assert capsys.readouterr().err == f"stopped; resume with: python -m gonkit.run --resume {folder}\n"
    assert main(["--resume", str(folder), "--quiet"]) == 0
    assert (folder / "report.html").exists()


def test_a_sigterm_does_not_cut_off_how_a_run_is_resumed(
    recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(io.StringIO):
        def write(self, text: str) -> int:
            send_sigterm()
            return super().write(text)

    monkeypatch.setattr(sys, "stderr", Ended())
    assert run(recipe(), tmp_path / "run", "--stop-after", "4") == 3
    assert isinstance(sys.stderr, Ended)
    assert f"resume with: python -m gonkit.run --resume {tmp_path / 'run'}" in sys.stderr.getvalue()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
