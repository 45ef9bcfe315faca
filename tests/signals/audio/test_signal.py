"""The signal type for audio: its grid, its clips and windows, its splits, and how it is shown."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
import pytest
import torch

from gonkit.errors import GonkitError
from signals.audio import Audio, Waveform
from tests.conftest import real_data
from tests.signals.audio.conftest import RATE, write_tone
from tests.signals.conftest import all_names, all_signals

PATTERN = "{label}_{speaker}_{take}"


def test_coordinates_are_times_at_every_rate() -> None:
    signal = Audio(length=400)
    coarse, fine = signal.grid().coords[:, 0], signal.grid(16_000).coords[:, 0]
    assert coarse[0] == fine[0] == -1
    assert torch.allclose(fine[::2], coarse, atol=1e-6)
    assert len(signal.grid(44_100)) == 2205


def test_windows_cover_a_recording_and_names_tell_their_times(folder: Path) -> None:
    windows = Audio(data=str(folder), length=400, windows=True, label=PATTERN).dataset("train")
    assert windows.info.names_of(torch.tensor([1]))[0].endswith("at 0.025 s")
    clips = Audio(data=str(folder), length=4000).dataset("train")
    assert all_signals(clips).values[:, 2400:].abs().max() == 0  # silence after the end


def test_speakers_are_held_out_by_pattern(folder: Path) -> None:
    held_out = {"speaker": ["bob"]}
    signal = Audio(data=str(folder), length=800, windows=True, label=PATTERN, test=held_out)
    datasets = {split: signal.dataset(split) for split in ("train", "val", "test")}
    speakers = {split: {Path(n).name.split("_")[1] for n in all_names(d)} for split, d in datasets.items()}
    assert speakers == {"train": {"ann"}, "val": {"ann"}, "test": {"bob"}}
    files = {split: {n.split(" at ")[0] for n in all_names(d)} for split, d in datasets.items()}
    assert not files["train"] & files["val"]
    label = all_signals(datasets["test"]).label
    assert label is not None
    assert set(label.tolist()) == {0, 1}
    with pytest.raises(GonkitError, match=r"holds out 0 of 16.*'speaker': 'ann'"):
        Audio(data=str(folder), label=PATTERN, test={"speaker": ["eve"]}).dataset("train")
    with pytest.raises(GonkitError, match=r"high_ann_1.wav: its name does not match signal.label"):
        Audio(data=str(folder), label="{label}-{take}").dataset("train")


def test_speakers_are_held_out_by_a_column_of_a_table(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    rows = [f"{name},{name.split('_')[0]},{name.split('_')[1]}" for name in names]
    (folder / "labels.csv").write_text("\n".join(["file,label,speaker", *rows]))
    test = Audio(data=str(folder), label="labels.csv", test={"speaker": ["bob"]}).dataset("test")
    assert len(test) == 8
    assert all("_bob_" in name for name in all_names(test))
    assert test.info.class_names == ("high", "low")


def test_sub_folders_are_labels(tmp_path: Path) -> None:
    for name in ("bells", "drums"):
        for number in range(4):
            write_tone(tmp_path / name / f"{number}.wav")
    dataset = Audio(data=str(tmp_path)).dataset("train")
    label = all_signals(dataset).label
    assert label is not None
    assert set(label.tolist()) == {0, 1}
    assert dataset.info.class_names == ("bells", "drums")


def test_a_preview_shows_time_and_frequency() -> None:
    signal = Audio()
    time = torch.arange(4000) / RATE
    picture = signal.preview(Waveform(torch.sin(2 * math.pi * 1000 * time).unsqueeze(1), RATE)).convert("L")
    brightness = numpy.asarray(picture).mean(1)
    assert brightness.argmax() == pytest.approx(96 * (1 - 1000 / 4000), abs=2)
    assert signal.preview(Waveform(torch.zeros(4000, 1), RATE)).size == (160, 96)  # silence has a preview too


def test_classifier_features_are_log_magnitudes() -> None:
    measures = Audio().measures
    noise = torch.randn(4, 4000, 1, generator=torch.Generator().manual_seed(0))
    features = measures.classifier_features(noise)
    assert features.shape[0] == 4
    assert features.shape[3] == 1
    assert features.exp().square().mean().item() == pytest.approx(1, rel=0.1)  # white noise has power 1
    silent = measures.classifier_features(torch.zeros(1, 4000, 1))
    assert silent.flatten().tolist() == pytest.approx([math.log(1e-4)] * silent.numel(), rel=1e-3)


def test_classifier_features_show_frequency_and_hardly_phase() -> None:
    measures, count = Audio().measures, len(Audio().grid())
    tone = torch.sin(torch.arange(count) * 0.3).view(1, count, 1)
    features = measures.classifier_features(tone)
    turned = torch.sin(torch.arange(count) * 0.3 + 1).view(1, count, 1)
    assert (measures.classifier_features(turned) - features).abs().median() < 0.5
    assert features.mean(2)[0, :, 0].argmax() == round(0.3 / (2 * torch.pi) * 256)


def test_spoken_digits_with_a_speaker_held_out() -> None:
    signal = Audio(data=str(real_data("fsdd")), length=400, windows=True, label=PATTERN, test={"speaker": ["lucas"]})
    datasets = {split: signal.dataset(split) for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in datasets.items()} == {"train": 22807, "val": 2570, "test": 11233}
    assert all("_lucas_" in name for name in datasets["test"].info.names_of(torch.arange(0, 11233, 50)))
