"""Pairs: matched by stem or by class, or with sources made from targets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gonkit.data import Split
from gonkit.errors import GonkitError
from signals.audio import Audio
from signals.image import Image
from signals.paired import PairedDataset, Translation, degrade
from tests.signals.conftest import all_names
from tests.signals.paired.conftest import EIGHT, FOUR, write_pictures

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def test_pairs_by_stem_are_split_together(tmp_path: Path) -> None:
    targets = write_pictures(tmp_path / "color", "abcdefghij")
    sources = write_pictures(tmp_path / "dark", "jihgfedcba", brightness=0.5)
    signal = Translation(
        target=Image(data=str(targets), size=8), source=Image(data=str(sources), size=8, color="gray"), pairs="stem"
    )
    datasets = {split: signal.dataset(split) for split in SPLITS}
    assert [len(dataset) for dataset in datasets.values()] == [8, 1, 1]
    for dataset in datasets.values():
        index = torch.arange(len(dataset))
        inputs, target = dataset.pair(index)
        for name, source, values in zip(dataset.info.names_of(index), inputs.values, target.values, strict=True):
            torch.testing.assert_close(source, signal.source.files.load(sources / name).values)
            torch.testing.assert_close(values, signal.target.files.load(targets / name).values)
    assert sorted(name for dataset in datasets.values() for name in all_names(dataset)) == [
        f"{letter}.png" for letter in "abcdefghij"
    ]


@pytest.mark.parametrize("alike", [True, False])
def test_equal_names_in_several_folders_are_told_apart_by_their_folders(tmp_path: Path, alike: bool) -> None:
    for top, brightness in (("photos", 1.0), ("drawings", 0.5)):
        for number, person in enumerate(("ann", "bob", "eve")):
            folder = person if alike or top == "photos" else f"person {number}"
            write_pictures(tmp_path / top / folder, "abcd", brightness=brightness - 0.1 * number)
    photos, drawings = Image(data=str(tmp_path / "photos"), size=8), Image(data=str(tmp_path / "drawings"), size=8)
    signal = Translation(target=photos, source=drawings, pairs="stem")
    if not alike:
        with pytest.raises(GonkitError, match=r"several sources are called 'a', .*arrange both folders alike"):
            signal.dataset("train")
        return
    names = []
    for split in SPLITS:
        dataset = signal.dataset(split)
        index = torch.arange(len(dataset))
        names += dataset.info.names_of(index)
        inputs = dataset.inputs(index)
        assert inputs is not None
        for name, source in zip(dataset.info.names_of(index), inputs.values, strict=True):
            torch.testing.assert_close(source, drawings.files.load(tmp_path / "drawings" / name).values)
    assert sorted(names) == sorted(f"{person}/{letter}.png" for person in ("ann", "bob", "eve") for letter in "abcd")


def test_targets_without_a_source_are_named(tmp_path: Path) -> None:
    targets = write_pictures(tmp_path / "color", "abcdefghij")
    sources = write_pictures(tmp_path / "dark", "abcdefghij")
    (sources / "c.png").unlink()
    (sources / "g.png").rename(sources / "other.png")
    signal = Translation(target=Image(data=str(targets)), source=Image(data=str(sources)), pairs="stem")
    with pytest.raises(GonkitError, match=r"targets have no source of their name: .*'c', 'g'.*sources are called"):
        signal.dataset("train")


def test_pairs_by_class_have_equal_labels() -> None:
    dataset = Translation(target=Audio(data="notes", length=200), source=EIGHT, pairs="class").dataset("test")
    inputs, target = dataset.pair(torch.arange(len(dataset)))
    assert inputs.label is not None
    assert target.label is not None
    assert torch.equal(inputs.label, target.label)
    assert len(dataset) == len(EIGHT.dataset("test"))
    assert dataset.baselines(torch.arange(4)).keys() == {"mean", "class_mean"}


def test_classes_that_do_not_match_are_named() -> None:
    plucks, notes = Audio(data="plucks", length=200), Audio(data="notes", length=200)
    with pytest.raises(GonkitError, match=r"'0', .* are in one of signal.source .*'nylon string', .* only; name the"):
        Translation(target=plucks, source=EIGHT, pairs="class").dataset("train")
    with pytest.raises(GonkitError, match=r"signal.source has no labels to match by"):
        Translation(target=notes, source=Image(data="photos"), pairs="class").dataset("train")


def test_sources_made_from_targets_depend_on_the_settings() -> None:
    index = torch.tensor([3, 8])
    targets = EIGHT.dataset("test").batch(index)
    for noise in (0.1, 0.4):
        dataset = Translation(target=EIGHT, source=EIGHT, pairs="noisy", noise=noise).dataset("test")
        assert isinstance(dataset, PairedDataset)
        expected = degrade(EIGHT, EIGHT, "noisy", targets, index, noise=noise).values
        torch.testing.assert_close(dataset.inputs(index).values, expected)
        torch.testing.assert_close(dataset.pair(index).input.values, expected)
        torch.testing.assert_close(dataset.batch(index).values, targets.values)


def test_baselines_are_the_mean_and_the_interpolated_source() -> None:
    dataset = Translation(target=EIGHT, source=FOUR, pairs="reduced").dataset("test")
    index = torch.tensor([0, 5])
    baselines = dataset.baselines(index)
    assert baselines.keys() == {"mean", "bicubic"}
    train = EIGHT.dataset("train")
    mean = train.batch(torch.arange(len(train))).values.mean(0)
    torch.testing.assert_close(baselines["mean"], mean.expand(2, -1, -1))
    target = dataset.batch(index).values
    error = {name: (values - target).square().mean() for name, values in baselines.items()}
    assert error["bicubic"] < error["mean"]
