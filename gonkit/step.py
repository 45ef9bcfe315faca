"""One training step up to its loss, a function of its number and its signals: what is trained, rehearsed and timed."""

from __future__ import annotations

__all__ = ["Drawn", "Step"]

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gonkit.draws import Draws
from gonkit.gon import GON, Chance
from gonkit.ranks import Ranks
from gonkit.recipe import Recipe
from gonkit.signal import Batch, Prediction


class Drawn(NamedTuple):
    """What a step encodes and what it predicts, in network units, and its chance."""

    observed: Batch
    target: Batch
    chance: Chance


class Step:
    """Encode by the origin's gradient, decode, compare.

    Args:
        gon: the network.
        recipe: its losses, points and precision.
        draws: points and chance.
        ranks: among which signals are shared out.
    """

    def __init__(self, gon: GON, recipe: Recipe, draws: Draws, ranks: Ranks | None = None) -> None:
        self.gon, self.recipe, self.draws, self.ranks = gon, recipe, draws, ranks or Ranks()
        self.objective = recipe.objective()
        self.predict: Callable[..., Prediction] = gon

    def draw(self, number: int, given: Batch, wanted: Batch) -> Drawn:
        """The points of step `number`, from 1, of its signals as observed and as wanted, and its chance."""
        gon, recipe, objective, draws = self.gon, self.recipe, self.objective, self.draws
        device, drop = given.values.device, recipe.latent.drop
        points = recipe.train.points if objective.reads("values") else 0
        inner = draws.points("inner", number, given.values.shape[1], recipe.latent.points, objective.inner.consecutive)
        outer = draws.points("outer", number, wanted.values.shape[1], points, objective.consecutive)
        target = gon.standardized(wanted.at(outer))
        noise = draws.noise(number, recipe.latent.dim) if gon.posterior is not None else None
        dropped = draws.dropped(number, drop) if drop else None
        return Drawn(
            gon.standardized(given.at(inner), observed=True),
            target.sloped() if "coords" in objective.slopes else target,
            Chance(*(None if all_of is None else self.ranks.share(all_of).to(device) for all_of in (noise, dropped))),
        )

    def loss(self, number: int, drawn: Drawn) -> tuple[Prediction, Tensor, dict[str, Tensor]]:
        """What is predicted, the loss, and its terms."""
        torch.manual_seed(self.draws.seed_of(number))  # for losses that draw
        prediction = self.prediction(drawn)
        return prediction, *self.objective(prediction, drawn.target, number)

    def prediction(self, drawn: Drawn) -> Prediction:
        """Encodes and decodes. "auto" for `train.rows` and `train.precision` counts as all of them, and as fp32."""
        settings, again = self.recipe.train, self.objective.reads("observed")
        rows = settings.rows if isinstance(settings.rows, int) and settings.rows else None
        kind = drawn.observed.values.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=settings.precision == "bf16"):
            return self.predict(drawn.observed, drawn.target, chance=drawn.chance, again=again, rows=rows)

    def compile(self, number: int, drawn: Drawn) -> str:
        """Compiles the prediction and warms it up, or leaves it as it is; returns what is to be said of that."""
        started = time.perf_counter()
        self.predict = torch.compile(self.gon.forward, dynamic=False)
        try:
            torch.autograd.grad(self.loss(number, drawn)[1], list(self.gon.parameters()), allow_unused=True)
        except Exception as error:  # compilers fail in many ways; each leaves the eager network intact
            self.predict = self.gon
            reason = str(error).strip().splitlines() or [type(error).__name__]
            return f"train.compile: not possible here, going on without ({reason[0]})"
        return f"compiled in {time.perf_counter() - started:.0f} s"
