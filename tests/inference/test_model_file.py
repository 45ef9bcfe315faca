"""The model file: what is in it, and files that are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gonkit
from gonkit.errors import GonkitError
from gonkit.files import read_tensors, write_tensors

Trained = Callable[[str], Path]


def rewritten(run: Path, path: Path, **changes: Any) -> Path:
    """A copy of a run's model file with other metadata; None removes a key."""
    tensors, metadata = read_tensors(run / "model.safetensors")
    write_tensors(path, tensors, {key: value for key, value in (metadata | changes).items() if value is not None})
    return path


def test_a_model_file_says_its_format_and_its_classes(trained: Trained) -> None:
    _, metadata = read_tensors(trained("classifier") / "model.safetensors")
    assert metadata["format"] == 3
    assert metadata["class_names"] == list("0123456789")
    assert metadata["gonkit"] == gonkit.__version__
    assert "auto" not in metadata["recipe"].replace('device = "auto"', "")


@pytest.mark.parametrize(("format_", "name"), [(None, "format 1"), (1, "format 1"), (2, "format 2")])
def test_another_format_is_refused_with_one_sentence(
    trained: Trained, tmp_path: Path, format_: int | None, name: str
) -> None:
    path = rewritten(trained("plain"), tmp_path / "old.safetensors", format=format_)
    with pytest.raises(GonkitError) as caught:
        gonkit.load(path)
    message = str(caught.value)
    assert str(path) in message
    assert name in message
    assert message.endswith("train its recipe again")
    assert "\n" not in message
    assert ". " not in message


def test_a_model_file_outside_its_run_does_not_look_at_a_data_json_there(trained: Trained, tmp_path: Path) -> None:
    path = rewritten(trained("plain"), tmp_path / "model.safetensors")
    (tmp_path / "data.json").write_text("somebody else's")
    assert gonkit.load(path).data_file is None
    assert len(gonkit.load(path).dataset("test")) == 180
    assert gonkit.load(trained("plain") / "model.safetensors").data_file == trained("plain") / "data.json"


def test_files_that_are_no_models_are_named(trained: Trained, tmp_path: Path) -> None:
    run = trained("plain")
    with pytest.raises(GonkitError, match=r"none: .*there is no such file"):
        gonkit.load(tmp_path / "none")
    with pytest.raises(GonkitError, match=r"no model.safetensors in it; give a run folder"):
        gonkit.load(tmp_path)
    with pytest.raises(GonkitError, match=r"cannot be read as a file that gonkit wrote"):
        gonkit.load(run / "recipe.toml")
    with pytest.raises(GonkitError, match=r"not a gonkit model: it holds no recipe"):
        gonkit.load(run / "checkpoint.safetensors")
    (tmp_path / "recipe.toml").write_text((run / "recipe.toml").read_text())
    with pytest.raises(GonkitError, match=r"finish it with python -m gonkit.run --resume"):
        gonkit.load(tmp_path)
    _, metadata = read_tensors(run / "model.safetensors")
    wider = rewritten(run, tmp_path / "wide", recipe=metadata["recipe"].replace("width = 16", "width = 17"))
    with pytest.raises(GonkitError, match="cannot be read as a model of its recipe"):
        gonkit.load(wider)
