"""Objects of latents and of data sets, and as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch

import gonkit
from gonkit.errors import GonkitError
from gonkit.inference import input_objects, iterate_objects, reconstruct_objects, reference_objects, save_objects
from gonkit.nn import GON
from signals.image import Image, ImageFiles
from tests.conftest import assert_same_pictures


def test_files_are_numbered_with_as_many_digits_as_needed(tmp_path: Path) -> None:
    signal = Image(data="digits")
    picture = signal.to_object(torch.zeros(8, 8, 1))
    for count, first, last in ((3, "a_00.png", "a_02.png"), (101, "a_000.png", "a_100.png")):
        paths = save_objects(signal, [picture] * count, tmp_path / str(count), "a", count=count)
        assert (paths[0], paths[-1]) == (tmp_path / str(count) / first, tmp_path / str(count) / last)
        assert all(path is not None and path.is_file() for path in paths)
    assert save_objects(signal, [picture], tmp_path, "b", ".jpg", count=1) == [tmp_path / "b_00.jpg"]


def test_an_object_that_cannot_be_written_is_noted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = ImageFiles.save

    def fails_once(self: ImageFiles, obj: object, stem: Path, suffix: str | None = None) -> Path:
        if stem.name.endswith("1"):
            raise GonkitError("there is no surface in it")
        return save(self, obj, stem, suffix)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageFiles, "save", fails_once)
    signal = Image(data="digits")
    paths = save_objects(signal, [signal.to_object(torch.zeros(8, 8, 1))] * 3, tmp_path, "a", count=3)
    assert paths == [tmp_path / "a_00.png", None, tmp_path / "a_02.png"]
    assert capsys.readouterr().err == "note: there is no surface in it\n"


def test_objects_of_a_data_set_are_its_signals_inputs_and_predictions(trained: Callable[[str], Path]) -> None:
    index = torch.tensor([4, 1])
    model = gonkit.load(trained("conditional"))
    test, task = model.dataset("test"), model.task
    assert [obj.mode for obj in reference_objects(task, test, index)] == ["RGB"] * 2
    assert [obj.mode for obj in input_objects(task, test, index)] == ["L"] * 2
    informed = reconstruct_objects(model.gon, task, test, index)
    at_origin = reconstruct_objects(model.gon, task, test, index, at_origin=True)
    inputs = test.inputs(index)
    assert inputs is not None
    assert_same_pictures(at_origin, model.convert(inputs))
    assert [obj.tobytes() for obj in at_origin] != [obj.tobytes() for obj in informed]
    plain = gonkit.load(trained("plain"))
    assert input_objects(plain.task, plain.dataset("test"), index) == []


def test_many_objects_are_decoded_a_group_at_a_time(
    trained: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = gonkit.load(trained("plain"))
    latent, signal = model.sample_latent(40, seed=3), model.task.output_type
    whole, decode, groups = model.decode(latent), GON.decode, []

    def counted(self: GON, latent: torch.Tensor, *inputs: torch.Tensor, **options: Any) -> torch.Tensor:
        groups.append((len(latent), len(list(tmp_path.iterdir()))))
        return decode(self, latent, *inputs, **options)

    monkeypatch.setattr(GON, "decode", counted)
    paths = save_objects(signal, iterate_objects(model.gon, signal, latent), tmp_path, "a", count=40)
    assert groups == [(16, 0), (16, 16), (8, 32)]  # signals, and files that were there
    written = [PIL.Image.open(path) for path in paths if path is not None]
    assert_same_pictures(written, whole)
