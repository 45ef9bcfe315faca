"""One training step up to its loss, as a function of its number and its signals: trained, costed and benchmarked."""

from __future__ import annotations

__all__ = ["StepInputs", "TrainStep"]

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.nn import GON, StepNoise
from gonkit.recipe import Recipe
from gonkit.training.compilation import prepare_compiler
from gonkit.training.distributed import ProcessGroup
from gonkit.training.sampler import StepSampler

UNREFINED_SHARE = 0.3  # of the loss at unrefined latents, in a step that trains on refined ones too


class StepInputs(NamedTuple):
    """What a step encodes and what it predicts, in network units, and its random tensors."""

    inputs: Batch
    target: Batch
    noise: StepNoise


class TrainStep:
    """Encodes by the origin's gradient, decodes, compares.

    Args:
        gon: the network.
        recipe: its losses, points and precision.
        sampler: of points and noise.
        group: of processes among which signals are sharded.
    """

    def __init__(self, gon: GON, recipe: Recipe, sampler: StepSampler, group: ProcessGroup | None = None) -> None:
        self.gon, self.recipe, self.sampler, self.group = gon, recipe, sampler, group or ProcessGroup()
        self.objective = recipe.objective
        self.network: Callable[..., Prediction] = gon

    def prepare(self, step: int, inputs: Batch, target: Batch) -> StepInputs:
        """Draws the points and the noise of a step, from 1, for its signals."""
        gon, recipe, objective, sampler = self.gon, self.recipe, self.objective, self.sampler
        dropout = recipe.latent.dropout
        outer_points = recipe.train.points if objective.requires("values") else 0
        inner_index = sampler.point_indices(
            "inner", step, inputs.values.shape[1], recipe.latent.points, objective.inner.needs_contiguous_points
        )
        outer_index = sampler.point_indices(
            "outer", step, target.values.shape[1], outer_points, objective.needs_contiguous_points
        )
        target = gon.standardize(target.at_points(outer_index))
        noise = sampler.noise(step, recipe.latent.dim) if gon.posterior is not None else None
        mask = sampler.dropout_mask(step, dropout) if dropout else None
        return StepInputs(
            gon.standardize(inputs.at_points(inner_index), encoder=True),
            target.with_coord_grad() if "coords" in objective.differentiates else target,
            StepNoise(*(None if whole is None else self.group.shard(whole) for whole in (noise, mask))),
        )

    def loss(self, step: int, inputs: StepInputs) -> tuple[Prediction, Tensor, dict[str, Tensor]]:
        """The prediction, the loss, and its terms."""
        self._seed(step)
        prediction = self.predict(inputs)
        return prediction, *self.objective(prediction, inputs.target, step)

    def polishes(self, step: int) -> bool:
        """Whether a step, from 1, trains on refined latents too."""
        settings = self.recipe.train
        return step > round((1 - settings.polish) * settings.steps)

    def backward(self, step: int, inputs: StepInputs) -> tuple[Prediction, dict[str, Tensor]]:
        """Adds the gradients of a step's loss to those of the weights.

        Returns:
            The prediction, and scalars without a graph: "loss", each of its terms, and in a polishing step "refined",
            the loss at refined latents, to which "loss" adds the share of the loss at the inner steps' own latents.
        """
        prediction, loss, terms = self.loss(step, inputs)
        losses = {"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}}
        if not self.polishes(step):
            loss.backward()
            return prediction, losses
        (UNREFINED_SHARE * loss).backward()  # before the other, so that one graph at a time is held
        refined = self.refined_loss(step, inputs, prediction.latent.detach())
        refined.backward()
        losses["refined"] = refined.detach()
        losses["loss"] = UNREFINED_SHARE * losses["loss"] + losses["refined"]
        return prediction, losses

    def refined_loss(self, step: int, inputs: StepInputs, latent: Tensor) -> Tensor:
        """The loss at latents refined from `latent` (B, K), which are constants: the field learns to decode them."""
        batch, sampler = inputs.inputs, self.sampler
        index = sampler.point_indices("refined", step, batch.values.shape[1], self.recipe.train.points)
        with self._autocast(batch):
            latent = self.gon.refine_latent(batch.at_points(index), latent, steps=self.recipe.latent.refine)
        latent.requires_grad_("latent" in self.objective.differentiates)
        self._seed(step)
        return self.objective(self.predict(inputs, latent), inputs.target, step)[0]

    def predict(self, inputs: StepInputs, latent: Tensor | None = None) -> Prediction:
        """Encodes and decodes. An unresolved "auto" means fp32 and no limit of points."""
        settings = self.recipe.train
        max_points = settings.max_points if isinstance(settings.max_points, int) and settings.max_points else None
        with self._autocast(inputs.inputs):
            return self.network(
                inputs.inputs,
                inputs.target,
                latent=latent,
                noise=inputs.noise,
                predict_input=self.objective.requires("input"),
                max_points=max_points,
            )

    def _seed(self, step: int) -> None:
        """For losses that draw random numbers; not by `torch.manual_seed`, which looks for devices at every call."""
        seed = self.sampler.step_seed(step)
        torch.default_generator.manual_seed(seed)
        if self.gon.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _autocast(self, batch: Batch) -> torch.autocast:
        reduced = self.recipe.train.precision == "bf16"
        return torch.autocast(batch.values.device.type, torch.bfloat16, enabled=reduced)

    @property
    def is_compiled(self) -> bool:
        """Whether steps run compiled code."""
        return self.network is not self.gon

    def compile(self, step: int, inputs: StepInputs) -> str:
        """Compiles the network and warms it up, or leaves it eager; returns a message about which."""
        prepare_compiler()
        started = time.perf_counter()
        self.network = torch.compile(self.gon.forward, dynamic=False)
        try:
            prediction, loss, _ = self.loss(step, inputs)
            losses = [loss]
            if self.recipe.train.polish:
                losses.append(self.refined_loss(step, inputs, prediction.latent.detach()))
            torch.autograd.grad(losses, list(self.gon.parameters()), allow_unused=True)
        except Exception as error:  # compilers fail in many ways; each leaves the eager network intact
            self.network = self.gon
            reason = str(error).strip().splitlines() or [type(error).__name__]
            return f"train.compile: not possible here, training goes on without it ({reason[0]})"
        return f"compiled in {time.perf_counter() - started:.0f} s"
