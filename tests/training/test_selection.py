"""Which weights become the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gonkit.errors import GonkitError
from gonkit.run import main
from gonkit.training import ModelSelection, read_metrics
from tests.conftest import CALIBRATED


@pytest.mark.parametrize(
    ("rule", "metric", "sign"), [("best", "validation/psnr", 1), ("most-normal", "latent/normality", -1)]
)
def test_the_weights_of_the_selected_validation_become_the_model(
    recipe: Callable[..., Path], tmp_path: Path, rule: str, metric: str, sign: int
) -> None:
    path = recipe(("batch = 16", f'batch = 16\nkeep = "{rule}"'), ("steps = 12", "steps = 40"))
    folder = tmp_path / "run"
    assert main([str(path), "--out", str(folder), "--quiet"]) == 0
    scores = {line["step"]: sign * line[metric] for line in read_metrics(folder) if metric in line}
    best = max(scores, key=lambda step: scores[step])
    assert json.loads((folder / "evaluation.json").read_text())["selected_step"] == best
    selected, model = load_file(folder / "selected.safetensors"), load_file(folder / "model.safetensors")
    assert all(torch.equal(value, model[f"gon.{key}"]) for key, value in selected.items() if key not in CALIBRATED)
    assert main(["--resume", str(folder), "--quiet"]) == 0
    resumed = load_file(folder / "model.safetensors")
    assert all(torch.equal(value, resumed[key]) for key, value in model.items() if key.startswith("gon."))


def test_the_selection_does_not_depend_on_interruptions(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    first = ModelSelection(tmp_path, "best")
    for step, score in ((10, 1.0), (20, 3.0), (30, 2.0)):
        torch.nn.init.constant_(model.weight, step)
        first.update(step, model, {"validation/psnr": score})
    resumed = ModelSelection(tmp_path, "best")
    torch.nn.init.constant_(model.weight, 30)
    resumed.update(30, model, {"validation/psnr": 2.0})  # a validation repeated after a kill
    resumed.restore(model)
    assert resumed.step() == 20
    assert model.weight.unique().tolist() == [20.0]
    with pytest.raises(GonkitError, match="no metric to go by"):
        resumed.update(40, model, {})
