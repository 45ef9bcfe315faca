"""Folders and public sets of recordings: found, checked, streamed and divided into splits."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import soundfile
import torch

from gonkit.errors import GonkitError
from signals.audio import Audio
from tests.signals.audio.conftest import write_broken, write_tone
from tests.signals.conftest import all_names, all_signals


def test_bad_recordings_are_named_and_skipped_on_request(folder: Path) -> None:
    broken = write_broken(folder)
    with pytest.raises(GonkitError) as caught:
        Audio(data=str(folder)).dataset("train")
    message = str(caught.value)
    assert message.startswith("5 of 21 recordings cannot be used")
    for reason, path in broken.items():
        assert any(str(path) in line and reason in line for line in message.splitlines()), reason
    datasets = [Audio(data=str(folder), skip_bad=True).dataset(split) for split in ("train", "val", "test")]
    assert sum(map(len, datasets)) == 16
    assert datasets[0].info.note == "5 of 21 recordings could not be used and were skipped"


def test_folders_without_sound_are_named(tmp_path: Path) -> None:
    with pytest.raises(GonkitError, match=r"no such folder; signal.data must be"):
        Audio(data=str(tmp_path / "nowhere")).dataset("train")
    with pytest.raises(GonkitError, match="no recordings in it"):
        Audio(data=str(tmp_path)).dataset("train")
    write_tone(tmp_path / "one.wav")
    with pytest.raises(GonkitError, match="at least 3 are needed"):
        Audio(data=str(tmp_path)).dataset("train")


@pytest.mark.parametrize("name", ["speechcommands", "yesno"])
def test_missing_public_data_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(GonkitError, match=r"is not in .* signal.download = true"):
        Audio(data=name, root=str(tmp_path / "data")).dataset("train")


def test_public_data_are_read_from_the_layout_of_torchaudio(tmp_path: Path) -> None:
    root = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    listed: dict[str, list[str]] = {"validation_list.txt": [], "testing_list.txt": []}
    for word in ("yes", "no"):
        for number in range(6):
            name = f"{word}/{number:08x}_nohash_0.wav"
            write_tone(root / name, rate=16_000)
            if number < 2:
                listed[list(listed)[number]].append(name)
    for name, lines in listed.items():
        (root / name).write_text("\n".join(lines))
    signal = Audio(data="speechcommands", root=str(tmp_path), length=800)
    assert [len(signal.dataset(split)) for split in ("train", "val", "test")] == [8, 2, 2]
    label = all_signals(signal.dataset("test")).label
    assert label is not None
    assert sorted(label.tolist()) == [0, 1]
    for number in range(4):
        write_tone(tmp_path / "waves_yesno" / f"0_1_0_0_1_1_0_{number}.wav")
    assert len(Audio(data="yesno", root=str(tmp_path)).dataset("train")) == 2


@pytest.mark.parametrize("windows", [False, True])
def test_streamed_recordings_give_the_same_signals(tmp_path: Path, windows: bool) -> None:
    generator = numpy.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "sounds" / ("high" if number % 2 == 0 else "low") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, generator.uniform(-0.5, 0.5, 200 + 150 * number), 16000)
    for split in ("train", "test"):
        in_memory, streamed = (
            Audio(data=str(tmp_path / "sounds"), length=256, windows=windows, stream=stream).dataset(split)
            for stream in (False, True)
        )
        assert streamed.info.streams
        assert all_names(streamed) == all_names(in_memory)
        assert torch.allclose(all_signals(streamed).values, all_signals(in_memory).values, atol=1e-6)
        assert streamed.info.labels is not None
        assert in_memory.info.labels is not None
        assert torch.equal(streamed.info.labels, in_memory.info.labels)


def test_streamed_recordings_are_checked_too(tmp_path: Path) -> None:
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", numpy.full(500, 0.1 * number + 0.1), 8000)
    (tmp_path / "4.wav").write_bytes((tmp_path / "0.wav").read_bytes()[:600])
    signal = Audio(data=str(tmp_path), length=256, stream=True)
    with pytest.raises(GonkitError, match=r"4\.wav: cut short"):
        signal.dataset("train")
    (tmp_path / "4.wav").unlink()
    soundfile.write(tmp_path / "5.wav", numpy.full(500, numpy.nan), 8000, subtype="FLOAT")
    datasets = [signal.dataset(split) for split in ("train", "val", "test")]
    (dataset,) = [one for one in datasets if "5.wav" in all_names(one)]
    with pytest.raises(GonkitError, match=r"5\.wav: .* not finite"):
        all_signals(dataset)
