"""Sounds: the embedded family, folders of recordings, files, and what is wrong with them."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest
import soundfile
import torch

from gonkit.cli import main
from gonkit.run import main as run
from gonkit.signal import SignalError
from signals.audio import Audio, Sound
from signals.audiofile import AudioFile, AudioSink, read_audio, write_audio
from tests.conftest import DATA

RATE = 8000


def tone(path: Path, seconds: float = 0.3, rate: int = RATE, hertz: float = 300.0, channels: int = 1) -> Path:
    time = torch.arange(int(seconds * rate)) / rate
    wave = 0.5 * torch.sin(2 * math.pi * hertz * time) * torch.exp(-time)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave.unsqueeze(1).repeat(1, channels).numpy(), rate)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(8):
        for speaker in ("ann", "bob"):
            label = ("low", "high")[number % 2]
            tone(tmp_path / "sounds" / f"{label}_{speaker}_{number}.wav", hertz=200 + 100 * number)
    return tmp_path / "sounds"


def test_the_embedded_family_is_what_it_says() -> None:
    signal = Audio()
    parts = {split: signal.dataset(split) for split in ("train", "val", "test")}
    assert [len(part) for part in parts.values()] == [800, 100, 100]
    data = parts["train"].data
    assert data.values.abs().amax((1, 2)).tolist() == pytest.approx([0.8] * 800)
    assert data.label is not None
    assert sorted(data.label.unique().tolist()) == [0, 1, 2, 3, 4]
    names = parts["train"].names(torch.arange(800))
    assert len(set(names)) == 800
    spectrum = torch.fft.rfft(data.values[:, :, 0], 1 << 15).abs()
    for index in (0, 250, 500, 799):  # the lowest partial lies at the pitch that the name says
        hertz = int(names[index].split(", ")[1].removesuffix(" Hz"))
        bins = round(hertz * (1 << 15) / RATE)
        near = spectrum[index, bins - 20 : bins + 20].max()
        assert near > 0.3 * spectrum[index].max()
    assert torch.equal(data.values, Audio().dataset("train").data.values)


def test_coordinates_are_times_at_every_rate() -> None:
    signal = Audio(length=400)
    coarse, fine = signal.coords()[:, 0], signal.coords(16_000)[:, 0]
    assert coarse[0] == fine[0] == -1
    assert torch.allclose(fine[::2], coarse, atol=1e-6)
    assert len(signal.coords(44_100)) == 2205


def test_windows_cover_a_recording_and_names_say_where(folder: Path) -> None:
    signal = Audio(data=str(folder), length=400, windows=True, pattern="{label}_{speaker}_{take}")
    train = signal.dataset("train")
    assert train.names(torch.tensor([1]))[0].endswith("at 0.025 s")
    clip = Audio(data=str(folder), length=4000)
    assert clip.dataset("train").data.values[:, 2400:].abs().max() == 0  # silence after the end


def test_speakers_are_held_out_by_pattern(folder: Path) -> None:
    held = {"speaker": ["bob"]}
    signal = Audio(data=str(folder), length=800, windows=True, pattern="{label}_{speaker}_{take}", test=held)
    sets = {split: signal.dataset(split) for split in ("train", "val", "test")}
    speakers = {s: {Path(n).name.split("_")[1] for n in d.names(torch.arange(len(d)))} for s, d in sets.items()}
    assert speakers == {"train": {"ann"}, "val": {"ann"}, "test": {"bob"}}
    files = {s: {n.split(" at ")[0] for n in d.names(torch.arange(len(d)))} for s, d in sets.items()}
    assert not files["train"] & files["val"]
    label = sets["test"].data.label
    assert label is not None
    assert set(label.tolist()) == {0, 1}
    with pytest.raises(SignalError, match=r"holds out 0 of 16.*'speaker': 'ann'"):
        Audio(data=str(folder), pattern="{label}_{speaker}_{take}", test={"speaker": ["eve"]}).dataset("train")
    with pytest.raises(SignalError, match=r"high_ann_1.wav: its name does not read as"):
        Audio(data=str(folder), pattern="{label}-{take}").dataset("train")


def test_sub_folders_are_labels(tmp_path: Path) -> None:
    for kind in ("bells", "drums"):
        for number in range(4):
            tone(tmp_path / kind / f"{number}.wav")
    label = Audio(data=str(tmp_path)).dataset("train").data.label
    assert label is not None
    assert set(label.tolist()) == {0, 1}


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_every_kind_of_file_rate_and_channel_count_is_read(tmp_path: Path, suffix: str) -> None:
    path = tone(tmp_path / f"a{suffix}", seconds=0.5, rate=44_100, channels=2)
    samples = read_audio(path, RATE)
    assert abs(len(samples) - 4000) <= 1
    expected = read_audio(tone(tmp_path / "b.wav", seconds=0.5), RATE)
    size = min(len(samples), len(expected))
    middle = slice(200, size - 200)
    error = (samples[:size] - expected[:size])[middle].square().mean() / expected[middle].square().mean()
    assert error < (1e-4 if suffix in (".wav", ".flac") else 0.02)


def broken(folder: Path) -> dict[str, Path]:
    """Files that cannot be used, and the word that says why."""
    made = {}
    whole = tone(folder / "whole.wav").read_bytes()
    for name, data in {
        "cut short": whole[: len(whole) // 2],
        "cannot be read as sound": b"just some words\n",
        "holds no samples": whole[:40] + struct.pack("<I", 0),
    }.items():
        made[name] = folder / f"{name.replace(' ', '_')}.wav"
        made[name].write_bytes(data)
    (folder / "whole.wav").unlink()
    nan = torch.zeros(800)
    nan[400] = math.nan
    soundfile.write(folder / "nan.wav", nan.numpy(), RATE, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", torch.zeros(800).numpy(), RATE)
    return made | {"not finite": folder / "nan.wav", "samples are zero": folder / "silent.wav"}


def test_bad_recordings_are_named_and_left_out_when_asked(folder: Path) -> None:
    expected = broken(folder)
    with pytest.raises(SignalError) as caught:
        Audio(data=str(folder)).dataset("train")
    text = str(caught.value)
    assert text.startswith("5 of 21 recordings cannot be used")
    for reason, path in expected.items():
        assert any(str(path) in line and reason in line for line in text.splitlines()), reason
    sets = [Audio(data=str(folder), skip_bad=True).dataset(split) for split in ("train", "val", "test")]
    assert sum(map(len, sets)) == 16
    assert sets[0].note == "5 of 21 recordings could not be used and were left out"


def test_folders_without_sound_are_named(tmp_path: Path) -> None:
    with pytest.raises(SignalError, match=r"no such folder; signal.data must be"):
        Audio(data=str(tmp_path / "nowhere")).dataset("train")
    with pytest.raises(SignalError, match="no recordings in it"):
        Audio(data=str(tmp_path)).dataset("train")
    tone(tmp_path / "one.wav")
    with pytest.raises(SignalError, match="at least 3 are needed"):
        Audio(data=str(tmp_path)).dataset("train")
    for name in ("speechcommands", "yesno"):
        with pytest.raises(SignalError, match=r"is not in .* signal.download = true"):
            Audio(data=name, root=str(tmp_path / "data")).dataset("train")


def test_public_data_sets_are_read_as_torchaudio_lays_them_out(tmp_path: Path) -> None:
    root = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    listed: dict[str, list[str]] = {"validation_list.txt": [], "testing_list.txt": []}
    for word in ("yes", "no"):
        for number in range(6):
            name = f"{word}/{number:08x}_nohash_0.wav"
            tone(root / name, rate=16_000)
            if number < 2:
                listed[list(listed)[number]].append(name)
    for name, lines in listed.items():
        (root / name).write_text("\n".join(lines))
    signal = Audio(data="speechcommands", root=str(tmp_path), length=800)
    assert [len(signal.dataset(split)) for split in ("train", "val", "test")] == [8, 2, 2]
    label = signal.dataset("test").data.label
    assert label is not None
    assert sorted(label.tolist()) == [0, 1]
    for number in range(4):
        tone(tmp_path / "waves_yesno" / f"0_1_0_0_1_1_0_{number}.wav")
    assert len(Audio(data="yesno", root=str(tmp_path)).dataset("train")) == 2


def test_nothing_clips_and_the_note_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loud = 2 * torch.sin(torch.arange(8000) / 10).unsqueeze(1)
    write_audio(tmp_path / "a.wav", loud, RATE)
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert abs(samples).max() == pytest.approx(0.999, abs=1e-3)
    assert torch.allclose(torch.from_numpy(samples) * (2 / 0.999), loud[:, 0], atol=1e-3)
    assert (
        "a.wav: its peak of 2.000 is over full scale, so all of it was made 6.0 dB quieter" in capsys.readouterr().err
    )
    write_audio(tmp_path / "a.float.wav", loud, RATE)
    samples, _ = soundfile.read(tmp_path / "a.float.wav", dtype="float32")
    assert torch.equal(torch.from_numpy(samples), loud[:, 0])
    write_audio(tmp_path / "a.flac", loud / 4, RATE)
    assert soundfile.info(tmp_path / "a.flac").subtype == "PCM_16"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.flac", "a.float.wav", "a.wav"]


def test_a_file_is_read_and_written_in_stretches(tmp_path: Path) -> None:
    path = tone(tmp_path / "a.wav", channels=2)
    file = AudioFile(path)
    assert (file.tracks, file.resolution, file.shape) == (2, RATE, (2400,))
    sink = AudioSink(tmp_path / "b.wav", RATE, 2)
    for count in (1, 1000, 1399):
        sink.write(file.read(count))
    assert sink.close() == tmp_path / "b.wav"
    assert soundfile.read(tmp_path / "b.wav")[0].tolist() == soundfile.read(path)[0].tolist()


def test_a_picture_shows_time_and_frequency() -> None:
    signal = Audio()
    time = torch.arange(4000) / RATE
    picture = signal.picture(Sound(torch.sin(2 * math.pi * 1000 * time).unsqueeze(1), RATE)).convert("L")
    brightness = torch.tensor(list(picture.getdata())).view(96, 160).float().mean(1)
    assert brightness.argmax().item() == pytest.approx(96 * (1 - 1000 / 4000), abs=2)
    signal.picture(Sound(torch.zeros(4000, 1), RATE))  # silence has a picture too


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
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    for number in range(8):
        tone(folder / "sounds" / f"{number}.wav", hertz=200 + 40 * number)
    (folder / "sounds.toml").write_text(RECIPE.format(data=folder / "sounds"))
    assert run([str(folder / "sounds.toml"), "--quiet", "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_run_can_be_listened_to(trained: Path) -> None:
    report = (trained / "report.html").read_text()
    players = {part.split('"')[0] for part in report.split('<audio controls preload="none" src="')[1:]}
    assert {"samples/original_00.wav", "samples/gonkit_00.wav", "samples/sample_00.wav"} <= players
    for player in players:
        assert soundfile.info(trained / player).frames == 200
    assert "nearest: " in report
    evaluation = json.loads((trained / "evaluation.json").read_text())
    assert {"snr", "pca_snr", "si_sdr", "lsd", "psnr", "nearest_max"} <= evaluation.keys()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained))
    events.Reload()
    assert set(events.Tags()["audio"]) == {
        "pictures/reconstructions/original",
        "pictures/reconstructions/reconstruction",
        *(f"pictures/samples/{row}" for row in range(1, 5)),
        "pictures/interpolation/1",
    }


@pytest.mark.parametrize(("rate", "channels", "frames"), [(8000, 1, 2405), (44_100, 2, 10_001), (11_025, 1, 100)])
def test_a_file_comes_back_with_its_length_rate_and_channels(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: int, channels: int, frames: int
) -> None:
    path = tone(tmp_path / "own.wav", seconds=frames / rate + 1e-9, rate=rate, channels=channels)
    assert soundfile.info(path).frames == frames
    assert main(["reconstruct", str(trained), str(path), "--out", str(tmp_path / "out"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)[str(path)]
    info = soundfile.info(figures["file"])
    assert (info.frames, info.samplerate, info.channels) == (frames, rate, channels)
    assert figures["snr"] > 0
    assert {"mse", "psnr", "si_sdr", "lsd"} <= figures.keys()
    other = ["--resolution", "16000", "--suffix", ".flac", "--out", str(tmp_path / "out")]
    assert main(["reconstruct", str(trained), str(path), *other]) == 0
    info = soundfile.info(tmp_path / "out" / "own.flac")
    assert (info.frames, info.samplerate, info.channels) == (frames * 16_000 // rate, 16_000, channels)


def test_bad_files_do_not_stop_the_others_when_asked(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [str(path) for path in broken(tmp_path / "bad").values() if path.name != "silent.wav"]
    good = str(tone(tmp_path / "good.wav"))
    assert main(["reconstruct", str(trained), *bad, good, "--out", str(tmp_path / "a")]) == 2
    assert "error: " + bad[0] in capsys.readouterr().err
    assert main(["reconstruct", str(trained), *bad, good, "--out", str(tmp_path / "b"), "--skip-bad"]) == 0
    said = capsys.readouterr()
    assert all(f"left out: {path}" in said.err for path in bad)
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["good.wav"]
    assert main(["reconstruct", str(trained), good, "--suffix", ".png"]) == 2
    assert "files end in .wav or .flac or .float.wav" in capsys.readouterr().err


@pytest.mark.skipif(not (DATA / "fsdd").is_dir(), reason="no spoken digits on this machine")
def test_spoken_digits_with_a_speaker_held_out() -> None:
    held = {"speaker": ["lucas"]}
    signal = Audio(data=str(DATA / "fsdd"), length=400, windows=True, pattern="{label}_{speaker}_{take}", test=held)
    sets = {split: signal.dataset(split) for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in sets.items()} == {"train": 22807, "val": 2570, "test": 11233}
    assert all("_lucas_" in name for name in sets["test"].names(torch.arange(0, 11233, 50)))
