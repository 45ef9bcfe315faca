"""Estimates FLOPs and peak memory of a training step with fake tensors."""

from __future__ import annotations

__all__ = ["CostCounter", "StepCost", "estimate_step_cost"]

import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from gonkit.batch import Batch, Prediction
from gonkit.inference import build_gon
from gonkit.losses import MSELoss
from gonkit.nn import StepNoise
from gonkit.recipe import Recipe
from gonkit.training.sampler import StepSampler
from gonkit.training.step import StepInputs, TrainStep

COMPILED_MEMORY_RATIO = 0.8  # of an eager step's: between 0.72 and 0.83 where it was measured (docs/performance.md)


class StepCost(NamedTuple):
    """Cost of one training step.

    Attributes:
        flops: multiplications and additions of its matrix products.
        peak_mib: MiB of the tensors alive at its peak, beside the network's weights and the signals.
    """

    flops: float
    peak_mib: float


def estimate_step_cost(
    recipe: Recipe, inputs: Batch, target: Batch, device: torch.device, classes: int = 1
) -> StepCost:
    """Work and memory of a step, in the time of its calls, whatever its size.

    Squared errors replace the losses, which are small beside the network, so that no user's function meets tensors
    without data; losses that differentiate the field do so in their simplest form.

    Args:
        recipe: with `train.max_points`, `train.precision` and `train.compile`; an unresolved "auto" means no limit,
            fp32 and not compiled.
        inputs: a signal or more from which latents are inferred; only shapes are read.
        target: those as they are predicted.
        device: on which the step is to run.
        classes: of the label head, if there is one.
    """
    objective, settings = recipe.objective, recipe.train
    points = settings.points if objective.requires("values") else 0
    with FakeTensorMode(), device:
        gon = build_gon(recipe, classes=classes)
        gon.loss = MSELoss()
        fake_inputs = _fake_batch(inputs, settings.batch, recipe.latent.points)
        fake_target = _fake_batch(target, settings.batch, points)
        step = TrainStep(gon, recipe, StepSampler(settings.seed, settings.batch, settings.batch, device))
        with CostCounter() as counter:
            if "coords" in objective.differentiates:
                fake_target = fake_target.with_coord_grad()
            prediction = step.predict(StepInputs(fake_inputs, fake_target, StepNoise()))
            _surrogate_loss(prediction, fake_target, objective.differentiates).backward()
    ratio = COMPILED_MEMORY_RATIO if settings.compile is True else 1.0
    return StepCost(counter.flops, ratio * counter.peak / 2**20)


def _fake_batch(batch: Batch, size: int, points: int | None) -> Batch:
    """A batch of another size and fewer points, without data."""
    count = batch.values.shape[1] if points is None else min(points, batch.values.shape[1])
    lead = [] if batch.shares_coords else [size]
    coords = torch.empty(*lead, count, batch.coords.shape[-1])
    values = torch.empty(size, count, batch.values.shape[2])
    source = None if batch.source is None else torch.empty(size, count, batch.source.shape[2])
    return Batch(coords, values, source=source)


def _surrogate_loss(prediction: Prediction, target: Batch, differentiates: Collection[str]) -> Tensor:
    """Sum of squares of everything predicted."""
    input_values = () if prediction.input_values is None else prediction.input_values[:1]
    parts = [prediction.values, prediction.latent, prediction.logits, *(prediction.posterior or ()), *input_values]
    variables = {"coords": target.coords, "latent": prediction.latent}
    for name in differentiates:
        parts += torch.autograd.grad(prediction.values.sum(), variables[name], create_graph=True)
    return torch.stack([part.square().sum() for part in parts if part is not None]).sum()


class CostCounter(TorchDispatchMode):
    """Counts work and memory while it is active.

    Attributes:
        flops: multiplications and additions of matrix products.
        alive: bytes of tensors that were created and are still alive.
        peak: the highest value of `alive`.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = self.alive = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if (count := flop_registry.get(func.overloadpacket)) is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=result)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._track(tensor.untyped_storage())
        return result

    def _track(self, storage: torch.UntypedStorage) -> None:
        address = storage._cdata
        if address in self.known:
            return
        self.known.add(address)
        weakref.finalize(storage, self._release, address, storage.nbytes())
        self.alive += storage.nbytes()
        self.peak = max(self.peak, self.alive)

    def _release(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.alive -= size
