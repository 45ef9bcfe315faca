"""Which weights become the model: the last, the best, or those with the most normal latents."""

from __future__ import annotations

__all__ = ["ModelSelection"]

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from gonkit.errors import GonkitError, reading
from gonkit.files import read_tensors, write_tensors
from gonkit.recipe import SelectionRule

SELECTED_FILE = "selected.safetensors"
CRITERIA: Mapping[SelectionRule, Mapping[str, int]] = {  # the first of these metrics that a run has; +1: more is better
    "last": {},
    "best": dict.fromkeys(
        (f"validation/{prefix}{name}" for name in ("psnr", "accuracy") for prefix in ("refined_", "")), 1
    ),
    "most-normal": {"latent/normality": -1},
}


class ModelSelection:
    """Keeps the weights of the best validation in a file beside the checkpoint.

    A resumed run repeats the validations after its checkpoint, with the same metrics, so that the selection does not
    depend on where the run was interrupted.

    Args:
        folder: of the run.
        rule: which weights to keep.
    """

    def __init__(self, folder: Path, rule: SelectionRule) -> None:
        self.path = folder / SELECTED_FILE
        self.rule = rule
        self.score: float | None = None
        if rule != "last" and self.path.exists():
            self.score = float(self._stored("score"))

    def update(self, step: int, model: nn.Module, metrics: Mapping[str, float]) -> None:
        """Keeps the weights if no earlier validation was better.

        Raises:
            GonkitError: the run's validations do not have the metric.
        """
        if self.rule == "last":
            return
        known = [(name, sign) for name, sign in CRITERIA[self.rule].items() if name in metrics]
        if not known:
            raise GonkitError(f'train.keep: "{self.rule}" has no metric to go by in this run; set it to "last"')
        name, sign = known[0]
        score = sign * metrics[name]
        if self.score is None or score > self.score:
            self.score = score
            write_tensors(self.path, model.state_dict(), {"step": step, "score": score, name: metrics[name]})

    def restore(self, model: nn.Module) -> None:
        """Loads the selected weights into the model, if there are any."""
        if self.score is not None:
            with reading(self.path, "selected weights"):
                model.load_state_dict(read_tensors(self.path)[0])

    def step(self) -> int | None:
        """Training step of the selected weights; None if the last ones are the model."""
        return None if self.score is None else int(self._stored("step"))

    def _stored(self, name: str) -> float:
        with reading(self.path, "selected weights"):
            return float(read_tensors(self.path)[1][name])
