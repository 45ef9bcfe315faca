"""Files that survive: written whole or not at all, and never unpickled."""

from __future__ import annotations

__all__ = ["read_tensors", "resume_from", "save_checkpoint", "write_atomically", "write_tensors"]

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gonkit.signal import SignalError


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file in one step: whoever is killed leaves the old one or the new one."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Writes tensors, and JSON about them, as one safetensors file."""
    flat = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    write_atomically(path, save(flat, metadata={key: json.dumps(value) for key, value in about.items()}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote.

    Raises:
        SignalError: no such file, or not one of gonkit's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
            return {key: file.get_tensor(key) for key in file.keys()}, about  # noqa: SIM118
    except FileNotFoundError:
        raise SignalError(f"{path}: no such file") from None
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise SignalError(f"{path}: not a file that gonkit wrote, or damaged: {error}") from None


def save_checkpoint(path: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, seconds: float) -> None:
    """All that `resume_from` needs to go on after `step` as if nothing had happened.

    Order, points and schedule are functions of seed and step, so that no random state need be kept.

    Args:
        path: of the file.
        step: updates made so far.
        model: its weights and buffers are kept.
        optimizer: its moments are kept.
        seconds: of training so far.
    """
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
    write_tensors(path, tensors, {"step": step, "seconds": seconds})


def resume_from(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Puts model and optimizer back as they were; returns the updates made so far and their seconds.

    Raises:
        SignalError: a file that is damaged or of another network.
    """
    tensors, about = read_tensors(path)
    weights = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
    state = optimizer.state_dict()
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            state["state"].setdefault(int(index), {})[name] = value
    try:
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
    except (RuntimeError, ValueError, KeyError) as error:
        raise SignalError(f"{path}: of another network than the recipe beside it: {error}") from None
    return int(about["step"]), float(about["seconds"])
