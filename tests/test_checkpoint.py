"""Files are whole or as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gonkit.checkpoint import read_tensors, resume_from, save_checkpoint, write_atomically, write_tensors
from gonkit.signal import SignalError


def trained(width: int = 3, steps: int = 4) -> tuple[nn.Module, torch.optim.Adam]:
    torch.manual_seed(steps)
    model = nn.Linear(width, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(5, width)).square().sum().backward()
        optimizer.step()
    return model, optimizer


def test_what_was_saved_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    model, optimizer = trained()
    save_checkpoint(tmp_path / "c", 4, model, optimizer, 1.5)
    other, its = trained(steps=1)
    assert resume_from(tmp_path / "c", other, its) == (4, 1.5)
    for one, two in ((model, optimizer), (other, its)):
        two.zero_grad()
        one(torch.ones(5, 3)).square().sum().backward()
        two.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", 4, *trained(), 1.5)
    with pytest.raises(SignalError, match="of another network"):
        resume_from(tmp_path / "c", *trained(width=7))


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"a": torch.arange(1000)}, {"step": 3})
    tensors, about = read_tensors(path)
    assert torch.equal(tensors["a"], torch.arange(1000))
    assert about == {"step": 3}
    path.write_bytes(path.read_bytes()[:500])
    for wrong in (path, tmp_path / "none", tmp_path):
        with pytest.raises(SignalError, match=str(wrong)):
            read_tensors(wrong)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(SignalError, match="not a file that gonkit wrote"):
        read_tensors(tmp_path / "model.safetensors")
