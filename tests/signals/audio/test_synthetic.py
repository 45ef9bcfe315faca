"""The built-in sounds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from signals.audio import Audio
from signals.audio.synthetic import pluck_names, plucks, synthesize_plucks
from tests.signals.audio.conftest import RATE
from tests.signals.conftest import all_names, all_signals


def test_plucks_have_the_peak_labels_and_pitches_of_their_names() -> None:
    signal = Audio()
    parts = {split: signal.dataset(split) for split in ("train", "val", "test")}
    assert [len(part) for part in parts.values()] == [800, 100, 100]
    batch = all_signals(parts["train"])
    assert batch.values.abs().amax((1, 2)).tolist() == pytest.approx([0.8] * 800)
    assert batch.label is not None
    assert sorted(batch.label.unique().tolist()) == [0, 1, 2, 3, 4]
    names = all_names(parts["train"])
    assert len(set(names)) == 800
    spectrum = torch.fft.rfft(batch.values[:, :, 0], 1 << 15).abs()
    for index in (0, 250, 500, 799):  # the lowest partial lies at the pitch in the name
        hertz = int(names[index].split(", ")[1].removesuffix(" Hz"))
        bins = round(hertz * (1 << 15) / RATE)
        near = spectrum[index, bins - 20 : bins + 20].max()
        assert near > 0.3 * spectrum[index].max()


def test_plucks_are_always_the_same() -> None:
    first, second = (synthesize_plucks.__wrapped__(RATE, 500) for _ in range(2))  # without the cache
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    batch = all_signals(Audio().dataset("train"))
    assert torch.equal(batch.values, all_signals(Audio().dataset("train")).values)


def test_every_note_is_in_every_split() -> None:
    signal = Audio(data="notes", length=200)
    for split, takes in (("train", 6), ("val", 1), ("test", 1)):
        labels = signal.dataset(split).info.labels
        assert labels is not None
        assert torch.bincount(labels).tolist() == [takes] * 10


def test_as_many_plucks_as_asked_are_made() -> None:
    few, many = (synthesize_plucks.__wrapped__(RATE, 500, count) for count in (20, 40))
    assert torch.equal(few[0], many[0][:20])  # a larger family begins with the smaller one
    assert torch.bincount(many[1]).tolist() == [8] * 5
    signal = Audio(count=40, length=500, pitch="continuous")
    parts = [signal.dataset(split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [32, 4, 4]
    names = [name for part in parts for name in all_names(part)]
    assert len(set(names)) == 40
    hertz = [int(name.split(", ")[1].removesuffix(" Hz")) for name in names]
    assert len(set(hertz)) > 30
    assert 110 <= min(hertz) < max(hertz) <= 440


def test_random_pitches_are_semitones_or_continuous() -> None:
    tempered, continuous = (
        Audio(count=200, length=500, pitch=pitch).dataset("train") for pitch in ("semitones", "continuous")
    )
    for dataset, is_tempered in ((tempered, True), (continuous, False)):
        hertz = torch.tensor([float(name.split(", ")[1].removesuffix(" Hz")) for name in all_names(dataset)])
        semitones = 12 * (hertz / 110).log2()
        off = (semitones - semitones.round()).abs() > 0.09  # names hold whole Hz, at 110 Hz a twelfth of a semitone
        assert (off.sum() == 0) == is_tempered
        assert 0 <= semitones.min() < semitones.max() <= 24.1


def test_plucks_begin_at_their_onset_and_are_silent_before() -> None:
    together, apart = (synthesize_plucks.__wrapped__(RATE, 1000, 20, onset=onset)[0] for onset in (0.0, 0.05))
    starts = [round(RATE * pluck.onset) for pluck in plucks(20, onset=0.05)]
    assert len(set(starts)) > 15
    assert 0 < max(starts) <= 0.05 * RATE
    for clip, original, start in zip(apart, together, starts, strict=True):
        assert not clip[: max(start - 1, 0)].any()
        later = original[: 1000 - start]  # the same sound, up to a part of a sample
        assert torch.corrcoef(torch.stack([clip[start:], later]))[0, 1] > 0.8
    names = pluck_names(20, onset=0.05)
    assert names[3].endswith(f"after {1000 * plucks(20, onset=0.05)[3].onset:.0f} ms")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"onset": 0.01}, "say how many"),
        ({"pitch": "continuous"}, "say how many"),
        ({"onset": 1, "count": 20}, "half a clip"),
    ],
)
def test_settings_of_random_plucks_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Audio(length=4000, **settings)
