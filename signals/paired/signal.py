"""Pairs: one type of signal predicted from another, which the field sees too, or which shares a latent with it."""

from __future__ import annotations

__all__ = ["Conditional", "Paired", "Translation"]

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import Pair, Signal, SignalField, Split, Task
from gonkit.errors import GonkitError
from signals.paired.dataset import Matching, PairedDataset
from signals.paired.degradations import Degradation, degrade, interpolate_grid


class Paired(Task, ABC):
    """Signals of type `target` are predicted from signals of type `source`; use `Conditional` or `Translation`."""

    target: SignalField
    """[signal.target]: the type that is predicted, with its data."""
    source: SignalField
    """[signal.source]: the type that it is predicted from: its size and channels, and its data where pairs are
    matched."""
    pairs: Degradation | Matching
    """Where sources come from. Made from the targets: "reduced" to the source type's points and channels, "edges",
    "noisy", "masked". From the source type's own data: by the "stem" of their names, or any two of a "class"."""
    noise: Annotated[float, Field(gt=0)] = 0.2
    """Standard deviation of the noise of "noisy", in the target's unit."""
    hidden: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Side of the box that "masked" sets to zero, as a share of each axis."""

    @property
    def input_type(self) -> Signal:
        return self.source

    @property
    def output_type(self) -> Signal:
        return self.target

    @abstractmethod
    def assemble(self, source: Batch, target: Batch) -> Pair:
        """What latents are inferred from, and what is to be predicted, of sources and their targets."""

    def dataset(self, split: Split) -> PairedDataset:
        make_sources = None
        if self.pairs != "stem" and self.pairs != "class":
            # a partial, because worker processes may need to pickle it
            make_sources = partial(degrade, self.target, self.source, self.pairs, noise=self.noise, hidden=self.hidden)
        return PairedDataset(self.target, self.source, self.pairs, split, self.assemble, make_sources)


class Conditional(Paired):
    """F(c ⊕ z ⊕ s(c)): the field also sees the source at its coordinate; the latent holds what that does not tell.

    Where only a source is given, the latent is at the origin, sampled from the prior, or taken from another pair.
    Train with `latent.dropout`, the share of signals whose latent stays at the origin, so that the origin is a good
    one.
    """

    reach: Annotated[int, Field(ge=0, le=4)] = 0
    """Neighboring points of the source on either side along each axis that the field sees too."""

    @property
    def conditioning_channels(self) -> int:
        return int(self.source.channels * (2 * self.reach + 1) ** self.source.grid().dim)

    def conditioning(self, inputs: Batch, coords: Tensor) -> Tensor:
        """(B, P, S) the source and its neighbors, interpolated at coords (P, D) or (B, P, D).

        Raises:
            GonkitError: source and target have different numbers of coordinates, or the source other channels than
                its type.
        """
        grid, name = self.source.grid(), type(self.source).__name__
        dim = self.target.grid().dim
        if grid.dim != dim:
            raise GonkitError(
                f"signal.source: {name} has {grid.dim} coordinates and the target {dim}, so that it has no value at "
                "the target's points; use signals.paired:Translation"
            )
        if inputs.values.shape[2] != self.source.channels:
            raise GonkitError(
                f"signal.source: {name} has {self.source.channels} channels by its settings; got "
                f"{inputs.values.shape[2]}"
            )
        return interpolate_grid(inputs.values, grid, coords, self.reach)

    def assemble(self, source: Batch, target: Batch) -> Pair:
        conditioned = replace(target, source=self.conditioning(source, target.coords))
        return Pair(conditioned, conditioned)


class Translation(Paired):
    """z = −∇ of the *source's* loss, through a field of its own; the target's field decodes the same z.

    Sources and targets may have different coordinates and channels. No target is needed to convert a source.
    """

    @property
    def has_separate_encoder(self) -> bool:
        return True

    def assemble(self, source: Batch, target: Batch) -> Pair:
        return Pair(source, target)
