"""Which weights become the model: the last, the best, or those whose latents are the most normal."""

from __future__ import annotations

__all__ = ["KEPT_FILE", "Keep", "Kept"]

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import nn

from gonkit.checkpoint import read_tensors, write_tensors
from gonkit.signal import SignalError

KEPT_FILE = "kept.safetensors"
Keep = Literal["last", "best", "most-normal"]
CRITERIA: Mapping[Keep, Mapping[str, int]] = {  # figures of a validation, the first that there is; +1: more is better
    "last": {},
    "best": {"validation/psnr": 1, "validation/accuracy": 1},
    "most-normal": {"latent/normality": -1},
}


class Kept:
    """The weights of one validation, in a file beside the checkpoint.

    A run that goes on from its checkpoint meets the same validations again, with the same figures, so that what is
    kept does not depend on where it was stopped.

    Args:
        folder: of the run.
        keep: which weights.
    """

    def __init__(self, folder: Path, keep: Keep) -> None:
        self.path = folder / KEPT_FILE
        self.keep = keep
        self.score: float | None = None
        if keep != "last" and self.path.exists():
            self.score = float(read_tensors(self.path)[1]["score"])

    def offer(self, step: int, model: nn.Module, figures: Mapping[str, float]) -> None:
        """Keeps the weights if no earlier validation was better.

        Raises:
            SignalError: a run whose validations have no such figure.
        """
        if self.keep == "last":
            return
        known = [(name, sign) for name, sign in CRITERIA[self.keep].items() if name in figures]
        if not known:
            raise SignalError(f'train.keep: "{self.keep}" has nothing to go by in this run; set it to "last"')
        name, sign = known[0]
        score = sign * figures[name]
        if self.score is None or score > self.score:
            self.score = score
            write_tensors(self.path, model.state_dict(), {"step": step, "score": score, name: figures[name]})

    def restore(self, model: nn.Module) -> None:
        """Puts the kept weights into the model, where there are any."""
        if self.score is not None:
            model.load_state_dict(read_tensors(self.path)[0])

    def step(self) -> int | None:
        """Of the kept weights; None where the last ones stay."""
        return None if self.score is None else int(read_tensors(self.path)[1]["step"])
