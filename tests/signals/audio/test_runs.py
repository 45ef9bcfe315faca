"""A whole run on sounds, and files reconstructed with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from gonkit.cli import main
from gonkit.run import main as run
from tests.signals.audio.conftest import write_broken, write_tone

RECIPE = """
name = "sounds"
[signal]
type = "signals.audio:Audio"
data = "{data}"
length = 200
windows = true
[field]
width = 32
layers = 2
omega = 60.0
[latent]
dim = 24
step = 6.0
[loss]
outer = {{ mse = 1.0, stft = 0.05, log_mel = 0.05 }}
[train]
steps = 30
batch = 16
points = 150
validate_every = 15
"""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    for number in range(8):
        write_tone(folder / "sounds" / f"{number}.wav", hertz=200 + 40 * number)
    (folder / "sounds.toml").write_text(RECIPE.format(data=folder / "sounds"))
    assert run([str(folder / "sounds.toml"), "--quiet", "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_run_can_be_listened_to(run_folder: Path) -> None:
    report = (run_folder / "report.html").read_text()
    players = {part.split('"')[0] for part in report.split('<audio controls preload="none" src="')[1:]}
    assert {"samples/original_00.wav", "samples/gonkit_00.wav", "samples/sample_00.wav"} <= players
    for player in players:
        assert soundfile.info(run_folder / player).frames == 200
    assert "nearest: " in report
    evaluation = json.loads((run_folder / "evaluation.json").read_text())
    assert {"snr", "pca_snr", "si_sdr", "lsd", "psnr", "nearest_max"} <= evaluation.keys()


def test_tensorboard_has_players(run_folder: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run_folder))
    events.Reload()
    assert set(events.Tags()["audio"]) == {
        "previews/reconstructions/original",
        "previews/reconstructions/reconstruction",
        *(f"previews/samples/{row}" for row in range(1, 5)),
        "previews/interpolation/1",
    }


@pytest.mark.parametrize(("rate", "channels", "frames"), [(8000, 1, 2405), (44_100, 2, 10_001), (11_025, 1, 100)])
def test_a_reconstructed_file_keeps_its_length_rate_and_channels(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: int, channels: int, frames: int
) -> None:
    path = write_tone(tmp_path / "own.wav", seconds=frames / rate + 1e-9, rate=rate, channels=channels)
    assert soundfile.info(path).frames == frames
    assert main(["reconstruct", str(run_folder), str(path), "--out", str(tmp_path / "out"), "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)[str(path)]
    info = soundfile.info(metrics["file"])
    assert (info.frames, info.samplerate, info.channels) == (frames, rate, channels)
    assert metrics["snr"] > (0 if frames > 1000 else -1)  # a hundred are little more than the first wave
    assert {"mse", "psnr", "si_sdr", "lsd"} <= metrics.keys()
    other = ["--resolution", "16000", "--suffix", ".flac", "--out", str(tmp_path / "out")]
    assert main(["reconstruct", str(run_folder), str(path), *other]) == 0
    info = soundfile.info(tmp_path / "out" / "own.flac")
    assert (info.frames, info.samplerate, info.channels) == (frames * 16_000 // rate, 16_000, channels)


def test_bad_files_are_skipped_on_request(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = [str(path) for path in write_broken(tmp_path / "bad").values() if path.name != "silent.wav"]
    good = str(write_tone(tmp_path / "good.wav"))
    assert main(["reconstruct", str(run_folder), *bad, good, "--out", str(tmp_path / "a")]) == 2
    assert "error: " + bad[0] in capsys.readouterr().err
    assert main(["reconstruct", str(run_folder), *bad, good, "--out", str(tmp_path / "b"), "--skip-bad"]) == 0
    errors = capsys.readouterr().err
    assert all(f"skipped: {path}" in errors for path in bad)
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["good.wav"]
    assert main(["reconstruct", str(run_folder), good, "--suffix", ".png"]) == 2
    assert "files end in .wav or .flac or .float.wav" in capsys.readouterr().err
