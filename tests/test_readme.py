"""The README's examples in Python run as they stand there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gonkit
from gonkit.pipeline import TrainedRun, train
from gonkit.recipe import read_recipe
from tests.conftest import ROOT


def examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def test_the_readme_s_use_of_a_model_runs(
    trained: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = examples()[0]
    assert 8 <= len(example.splitlines()) <= 14
    shutil.copytree(trained("plain"), tmp_path / "runs" / "digits" / "0001")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert sorted(path.name for path in tmp_path.glob("*.png")) == sorted(
        [f"new_{i}.png" for i in range(4)] + [f"between_{i}.png" for i in range(6)]
    )


def test_the_readme_s_training_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train_briefly(recipe: str, **options: Any) -> TrainedRun:
        small = read_recipe(ROOT / recipe, ["train.steps=3", "field.width=16"])
        return train(small, out=tmp_path / "run", quiet=True, **options)

    monkeypatch.setattr(gonkit, "train", train_briefly)
    namespace: dict[str, Any] = {"gonkit": gonkit}
    exec(compile(examples()[1], "README.md", "exec"), namespace)
    assert namespace["folder"] == tmp_path / "run"
    assert len(namespace["model"].sample(2)) == 2
