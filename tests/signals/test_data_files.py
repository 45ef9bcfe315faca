"""Every type says which files its signals are read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from gonkit.data import DataRecord, Split, Task
from signals.audio import Audio
from signals.image import Image
from signals.paired import Translation
from signals.shape import Occupancy
from tests.signals.audio.conftest import write_tone
from tests.signals.paired.conftest import write_pictures
from tests.signals.shape.conftest import write_ball

NAMES = "abcdefghij"


def pictures(folder: Path) -> Task:
    return Image(data=str(write_pictures(folder / "data", NAMES)), size=8)


def streamed_pictures(folder: Path) -> Task:
    return Image(data=str(write_pictures(folder / "data", NAMES)), size=8, stream=True)


def windows(folder: Path) -> Task:
    for number, name in enumerate(NAMES):
        write_tone(folder / "data" / f"{name}.wav", hertz=200 + 10 * number)
    return Audio(data=str(folder / "data"), length=400, windows=True)


def meshes(folder: Path) -> Task:
    for number, name in enumerate(NAMES):
        write_ball(folder / "data" / f"{name}.ply", radius=1 + number, level=1)
    return Occupancy(data=str(folder / "data"), cache=str(folder / "cache"), points=256)


def pairs(folder: Path) -> Task:
    sides = {side: write_pictures(folder / "data" / side, NAMES) for side in ("source", "target")}
    source, target = (Image(data=str(path), size=8) for path in sides.values())
    return Translation(source=source, target=target, pairs="stem")


@pytest.mark.parametrize("make", [pictures, streamed_pictures, windows, meshes, pairs])
def test_a_file_that_is_replaced_or_removed_is_named(tmp_path: Path, make: Callable[[Path], Task]) -> None:
    task = make(tmp_path)
    files = {path.relative_to(tmp_path / "data").as_posix(): path for path in sorted((tmp_path / "data").rglob("*.*"))}
    before = DataRecord.of({split: task.dataset(split) for split in get_args(Split)})
    assert sorted(name for part in before.splits.values() for name in part.files) == list(files)
    assert min(before.splits["train"].count, len(before.splits["train"].files)) >= 6
    name = next(reversed(before.splits["train"].files))
    other = next(path for path in files.values() if path.suffix == files[name].suffix and path != files[name])
    if make is meshes:
        write_ball(files[name], radius=30, level=1)
    elif make is windows:
        write_tone(files[name], seconds=0.4)
    else:
        files[name].write_bytes(other.read_bytes())
    now = DataRecord.of({split: task.dataset(split) for split in get_args(Split)}, before)
    assert f"changed: {name}" in before.changes(now)
    files[name].unlink()
    if make is not pairs:  # without its source a pair is refused
        now = DataRecord.of({split: task.dataset(split) for split in get_args(Split)}, before)
        assert f"removed from train: {name}" in before.changes(now)
