"""Checkpoints from which training resumes exactly."""

from __future__ import annotations

__all__ = [
    "CHECKPOINT_FILE",
    "PREVIOUS_FILE",
    "FoundCheckpoint",
    "find_checkpoint",
    "load_checkpoint",
    "save_checkpoint",
]

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gonkit.errors import DamagedFileError, GonkitError, reading
from gonkit.files import read_tensors, write_tensors

CHECKPOINT_FILE = "checkpoint.safetensors"
PREVIOUS_FILE = "checkpoint.previous.safetensors"
FORMAT = 3


class FoundCheckpoint(NamedTuple):
    """A checkpoint from which a run can go on.

    Attributes:
        path: of the file.
        step: updates made so far.
        damaged: messages about newer ones that are damaged.
    """

    path: Path
    step: int
    damaged: tuple[str, ...]


def save_checkpoint(
    path: Path,
    step: int,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    seconds: float,
    keep: Path | None = None,
) -> None:
    """Saves all that `load_checkpoint` needs to continue after `step` as if nothing had happened.

    Order, points and learning rates are functions of seed and step, so that no random state is saved.

    Args:
        path: of the file.
        step: updates made so far.
        model: whose weights and buffers are saved.
        optimizers: whose moments are saved.
        seconds: of training so far.
        keep: where the file that is replaced is kept; None to drop it.
    """
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{key}": value for key, value in moments.items()}
    write_tensors(path, tensors, {"format": FORMAT, "step": step, "seconds": seconds}, keep)


def find_checkpoint(folder: Path) -> FoundCheckpoint | None:
    """The newest checkpoint of a run that is not damaged; None if the run has none yet.

    Raises:
        GonkitError: checkpoints that are all damaged, or one of another format.
    """
    damaged: list[str] = []
    for path in (folder / CHECKPOINT_FILE, folder / PREVIOUS_FILE):
        if path.exists():
            try:
                return FoundCheckpoint(path, _read(path).step, tuple(damaged))
            except DamagedFileError as error:
                damaged.append(str(error))
    if damaged:
        problems = "\n  ".join(damaged)
        raise GonkitError(f"{folder}: no checkpoint can be used; remove them to begin at step 0 again\n  {problems}")
    return None


def load_checkpoint(path: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> tuple[int, float]:
    """Restores model and optimizers; returns the updates made so far and their seconds.

    Raises:
        GonkitError: a file that is damaged, of another format or of another network.
    """
    tensors, step, seconds = _read(path)
    weights = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
    states = [optimizer.state_dict() for optimizer in optimizers]
    with reading(path, "a checkpoint of the recipe beside it"):
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, number, index, name = key.split(".")
                states[int(number)]["state"].setdefault(int(index), {})[name] = value
        model.load_state_dict(weights)
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.load_state_dict(state)
    return step, seconds


class _Content(NamedTuple):
    tensors: dict[str, Tensor]
    step: int
    seconds: float


def _read(path: Path) -> _Content:
    tensors, metadata = read_tensors(path)
    if (found := metadata.get("format", 1)) != FORMAT:
        raise GonkitError(
            f"{path}: a checkpoint of format {found}, and this version of gonkit resumes format {FORMAT}: start the "
            "run's recipe again"
        )
    with reading(path, "a checkpoint"):
        return _Content(tensors, int(metadata["step"]), float(metadata["seconds"]))
