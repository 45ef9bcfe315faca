"""What a callback sees of training."""

from __future__ import annotations

__all__ = ["TrainCallback", "TrainProgress"]

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gonkit.nn import GON


class TrainProgress(NamedTuple):
    """The state of training after a step.

    Attributes:
        step: updates made so far; 0 before the first.
        seconds: of training, without compiling and without callbacks.
        losses: "loss", the objective, and its terms unweighted by name; empty before the first step.
        metrics: of the batch ("train/psnr") and, after a validation, of held-out signals ("validation/psnr").
        network: being trained; reading it is safe, changing it changes the run.
    """

    step: int
    seconds: float
    losses: Mapping[str, float]
    metrics: Mapping[str, float]
    network: GON


TrainCallback = Callable[[TrainProgress], bool | None]
"""Called before the first step and every `train.log_every` steps; returning True ends training after that step."""
