"""Checkpoints from which training resumes exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gonkit.errors import GonkitError
from gonkit.files import read_tensors, write_tensors
from gonkit.training import (
    CHECKPOINT_FILE,
    PREVIOUS_FILE,
    FoundCheckpoint,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)


def trained(width: int = 3, steps: int = 4) -> tuple[nn.Module, list[torch.optim.Adam]]:
    torch.manual_seed(steps)
    model = nn.Linear(width, 2)
    optimizers = [torch.optim.Adam([weight], lr=0.1, fused=True) for weight in model.parameters()]
    for _ in range(steps):
        update(model, optimizers)
    return model, optimizers


def update(model: nn.Module, optimizers: list[torch.optim.Adam]) -> None:
    model.zero_grad()
    model(torch.ones(5, next(model.parameters()).shape[1])).square().sum().backward()
    for optimizer in optimizers:
        optimizer.step()


def test_training_goes_on_as_if_it_had_not_been_saved(tmp_path: Path) -> None:
    model, optimizers = trained()
    save_checkpoint(tmp_path / "c", 4, model, optimizers, 1.5)
    other_model, other_optimizers = trained(steps=1)
    assert load_checkpoint(tmp_path / "c", other_model, other_optimizers) == (4, 1.5)
    update(model, optimizers)
    update(other_model, other_optimizers)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other_model.parameters(), strict=True))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", 4, *trained(), 1.5)
    with pytest.raises(GonkitError, match="cannot be read as a checkpoint of the recipe beside it"):
        load_checkpoint(tmp_path / "c", *trained(width=7))


def test_a_checkpoint_of_more_optimizers_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", 4, *trained(), 1.5)
    model, optimizers = trained()
    with pytest.raises(GonkitError, match="cannot be read as a checkpoint of the recipe beside it"):
        load_checkpoint(tmp_path / "c", model, optimizers[:1])


def test_a_checkpoint_of_an_earlier_format_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", 4, *trained(), 1.5)
    tensors, metadata = read_tensors(tmp_path / "c")
    write_tensors(tmp_path / "c", tensors, {key: metadata[key] for key in ("step", "seconds")})
    with pytest.raises(GonkitError, match=r"of format 1, .* resumes format 3: start the run's recipe again"):
        load_checkpoint(tmp_path / "c", *trained())


def test_the_newest_checkpoint_that_is_not_damaged_is_found(tmp_path: Path) -> None:
    newest, previous = tmp_path / CHECKPOINT_FILE, tmp_path / PREVIOUS_FILE
    assert find_checkpoint(tmp_path) is None
    for step in (2, 4, 6):
        save_checkpoint(newest, step, *trained(), 1.5, previous)
    assert find_checkpoint(tmp_path) == FoundCheckpoint(newest, 6, ())
    assert read_tensors(previous)[1]["step"] == 4
    newest.rename(tmp_path / "moved")  # as a process leaves it that is killed between two renamings
    assert find_checkpoint(tmp_path) == FoundCheckpoint(previous, 4, ())
    newest.write_bytes((tmp_path / "moved").read_bytes()[:-5])
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert found[:2] == (previous, 4)
    assert str(newest) in found.damaged[0]
    previous.write_bytes(b"")
    with pytest.raises(GonkitError, match="no checkpoint can be used; remove them to begin at step 0 again"):
        find_checkpoint(tmp_path)
