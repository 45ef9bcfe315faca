"""Sound files: read whole and in segments, written without clipping."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import soundfile
import torch
from torch.nn import functional

from gonkit.errors import GonkitError
from signals.audio import AudioReader, AudioWriter, read_audio, read_segment, resampled_length, write_audio
from signals.audio.files import SUFFIXES
from tests.signals.audio.conftest import RATE, write_tone


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_every_format_rate_and_channel_count_is_read(tmp_path: Path, suffix: str) -> None:
    path = write_tone(tmp_path / f"a{suffix}", seconds=0.5, rate=44_100, channels=2)
    samples = read_audio(path, RATE)
    assert abs(len(samples) - 4000) <= 1
    expected = read_audio(write_tone(tmp_path / "b.wav", seconds=0.5), RATE)
    size = min(len(samples), len(expected))
    middle = slice(200, size - 200)
    error = (samples[:size] - expected[:size])[middle].square().mean() / expected[middle].square().mean()
    assert error < (1e-4 if suffix in (".wav", ".flac") else 0.02)


@pytest.mark.parametrize(("rate", "target"), [(8000, 8000), (44100, 8000), (8000, 11025)])
def test_a_segment_equals_that_part_of_the_whole_recording(tmp_path: Path, rate: int, target: int) -> None:
    path = tmp_path / "noise.wav"
    soundfile.write(path, numpy.random.default_rng(0).uniform(-0.5, 0.5, (rate, 2)), rate)
    whole = read_audio(path, target)
    assert resampled_length(path, target) == len(whole)
    for start, count in ((0, 300), (1234, 500), (len(whole) - 100, 100), (len(whole) - 100, 400)):
        expected = functional.pad(whole[start : start + count], (0, max(0, start + count - len(whole))))
        assert torch.allclose(read_segment(path, start, count, target), expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".au", ".caf", ".w64", ".oga", ".opus"])
def test_less_common_formats_are_read(tmp_path: Path, suffix: str) -> None:
    path = write_tone(tmp_path / "a.wav")
    samples, rate = soundfile.read(path)
    other = {".oga": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")}.get(suffix, (suffix[1:].upper(), "PCM_16"))
    soundfile.write(tmp_path / f"a{suffix}", samples, rate, format=other[0], subtype=other[1])
    assert suffix in SUFFIXES
    read, expected = read_audio(tmp_path / f"a{suffix}", RATE), read_audio(path, RATE)
    assert len(read) == len(expected)
    assert (read - expected).square().mean() < 0.05 * expected.square().mean()


def test_a_file_that_is_damaged_inside_is_named(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "cut.flac", seconds=3)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)
    with pytest.raises(GonkitError, match=r"cut\.flac: (cannot be read as sound after 0\.000 s|cut short)"):
        read_audio(path, RATE)


def test_channels_that_cancel_each_other_are_refused(tmp_path: Path) -> None:
    noise = numpy.random.default_rng(0).uniform(-0.5, 0.5, 4000)
    for name, right in (("opposite", -noise), ("half", -0.5 * noise), ("other", noise[::-1])):
        soundfile.write(tmp_path / f"{name}.wav", numpy.stack((noise, right), 1), RATE)
    with pytest.raises(GonkitError, match=r"opposite\.wav: its 2 channels have opposite phases and cancel"):
        read_audio(tmp_path / "opposite.wav", RATE)
    assert read_audio(tmp_path / "half.wav", RATE).std() > 0.05
    assert read_audio(tmp_path / "other.wav", RATE).std() > 0.1


def test_nothing_clips_and_a_note_tells_the_attenuation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loud = 2 * torch.sin(torch.arange(8000) / 10).unsqueeze(1)
    write_audio(tmp_path / "a.wav", loud, RATE)
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert abs(samples).max() == pytest.approx(0.999, abs=1e-3)
    assert torch.allclose(torch.from_numpy(samples) * (2 / 0.999), loud[:, 0], atol=1e-3)
    note = "a.wav: its peak of 2.000 is over full scale, so all of it was made 6.0 dB quieter"
    assert note in capsys.readouterr().err
    write_audio(tmp_path / "a.float.wav", loud, RATE)
    samples, _ = soundfile.read(tmp_path / "a.float.wav", dtype="float32")
    assert torch.equal(torch.from_numpy(samples), loud[:, 0])
    write_audio(tmp_path / "a.flac", loud / 4, RATE)
    assert soundfile.info(tmp_path / "a.flac").subtype == "PCM_16"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.flac", "a.float.wav", "a.wav"]


def test_a_file_is_read_and_written_in_pieces(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "a.wav", channels=2)
    reader = AudioReader(path)
    assert (reader.num_tracks, reader.resolution, reader.shape) == (2, RATE, (2400,))
    writer = AudioWriter(tmp_path / "b.wav", RATE, 2)
    for count in (1, 1000, 1399):
        writer.write(reader.read(count))
    assert writer.close() == tmp_path / "b.wav"
    assert soundfile.read(tmp_path / "b.wav")[0].tolist() == soundfile.read(path)[0].tolist()


def test_an_aborted_file_leaves_nothing(tmp_path: Path) -> None:
    writer = AudioWriter(tmp_path / "out" / "b.wav", RATE, 1)
    writer.write(torch.zeros(1, 100, 1))
    writer.abort()
    assert not any((tmp_path / "out").iterdir())
