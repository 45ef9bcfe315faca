"""What a training step will take, found by going through one with tensors that have shapes and no data."""

from __future__ import annotations

__all__ = ["Ledger", "Rehearsed", "rehearse"]

import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from gonkit.draws import Draws
from gonkit.gon import Chance
from gonkit.losses import MSE
from gonkit.model import build
from gonkit.recipe import Recipe
from gonkit.signal import Batch, Prediction
from gonkit.step import Drawn, Step

COMPILED = 0.8  # of an eager step's memory: between 0.72 and 0.83 where it was measured (docs/performance.md)


class Rehearsed(NamedTuple):
    """Of one training step.

    Attributes:
        operations: multiplications and additions of its matrix products.
        megabytes: MiB of the tensors that live together at its peak, beside the network's weights and the signals.
    """

    operations: float
    megabytes: float


def rehearse(recipe: Recipe, given: Batch, wanted: Batch, device: torch.device, classes: int = 1) -> Rehearsed:
    """A step's work and memory. Takes the time of its calls, whatever its size.

    Squared errors stand in for the losses, which are small beside the network, so that nobody's own functions meet
    tensors without data; losses that differentiate the field do so in their simplest form.

    Args:
        recipe: with `train.rows`, `train.precision` and `train.compile`; "auto" counts as all of them, as fp32 and as
            not compiled.
        given: a signal or more as latents are inferred from; only shapes are read.
        wanted: those as predicted.
        device: that the step is to run on.
        classes: of the label head, if there is one.
    """
    objective, settings = recipe.objective(), recipe.train
    points = settings.points if objective.reads("values") else 0
    with FakeTensorMode(), device:
        gon = build(recipe, classes=classes)
        gon.inner = MSE()
        observed = _alike(given, settings.batch, recipe.latent.points)
        target = _alike(wanted, settings.batch, points)
        step = Step(gon, recipe, Draws(settings.seed, settings.batch, settings.batch))
        with Ledger() as kept:
            target = target.sloped() if "coords" in objective.slopes else target
            prediction = step.prediction(Drawn(observed, target, Chance()))
            _stand_in(prediction, target, objective.slopes).backward()
    share = COMPILED if settings.compile is True else 1.0
    return Rehearsed(kept.operations, share * kept.peak / 2**20)


def _alike(batch: Batch, size: int, points: int | None) -> Batch:
    """A batch of another size and fewer points, without its values."""
    count = batch.values.shape[1] if points is None else min(points, batch.values.shape[1])

    def of(part: Tensor | None) -> Tensor | None:
        return None if part is None else torch.empty(size, count, part.shape[2])

    lead = [] if batch.shared else [size]
    coords = torch.empty(*lead, count, batch.coords.shape[-1])
    values = torch.empty(size, count, batch.values.shape[2])
    return Batch(coords, values, source=of(batch.source))


def _stand_in(prediction: Prediction, target: Batch, slopes: Collection[str]) -> Tensor:
    """A loss of all that is predicted."""
    seen = () if prediction.observed is None else prediction.observed[:1]
    parts = [prediction.values, prediction.latent, prediction.logits, *(prediction.posterior or ()), *seen]
    by = {"coords": target.coords, "latent": prediction.latent}
    parts += [torch.autograd.grad(prediction.values.sum(), by[name], create_graph=True)[0] for name in slopes]
    return torch.stack([part.square().sum() for part in parts if part is not None]).sum()


class Ledger(TorchDispatchMode):
    """Counts what is done while it is on.

    Attributes:
        operations: multiplications and additions of matrix products.
        now: bytes of the tensors that were made and still live.
        peak: the most of those there ever were.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if (count := flop_registry.get(func.overloadpacket)) is not None:
            self.operations += count(*args, **(kwargs or {}), out_val=made)
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._meet(tensor.untyped_storage())
        return made

    def _meet(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata
        if place in self.known:
            return
        self.known.add(place)
        weakref.finalize(storage, self._part, place, storage.nbytes())
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)

    def _part(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.now -= size
