"""The records that travel between the parts: a `Sample`, a `Batch` of signals, and a `Prediction`.

Shapes: B signals, P points, D coordinate dimensions, C channels, S source channels, K latents, N classes.
"""

from __future__ import annotations

__all__ = ["Batch", "Prediction", "Sample"]

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gonkit.errors import ContractError


@dataclass(frozen=True)
class Sample:
    """One signal as a file holds it, before it is stacked with others.

    Attributes:
        values: (P, C) in the signal type's range and unit.
        coords: (P, D) in [-1, 1], or None for the type's own grid.
        mask: (P,) or (P, C) bool, True where observed, or None if every value is.
        name: where it came from, for messages and file names.
        transform: what `Signal.place` needs to move a decoded object to the position and size of the file's.
    """

    values: Tensor
    coords: Tensor | None = None
    mask: Tensor | None = None
    name: str = ""
    transform: Any = None


@dataclass(frozen=True)
class Batch:
    """B signals. `coords.ndim` says whether they share their points.

    Attributes:
        coords: (P, D) shared by the batch, or (B, P, D) for each signal's own points, in [-1, 1].
        values: (B, P, C).
        mask: (B, P) bool, True where observed, or (B, P, C) for each channel; None if everything is.
        source: (B, P, S) what the field sees at each point beside its coordinate, or None.
        label: (B,) int64 or None.

    Raises:
        ContractError: something that is no tensor, or shapes that do not fit together.

    Example:
        >>> batch = Batch(torch.zeros(9, 2), torch.zeros(4, 9, 1))
        >>> len(batch), batch.shares_coords, len(batch[1:3]), batch.at_points(torch.arange(5)).values.shape[1]
        (4, True, 2, 5)
    """

    coords: Tensor
    values: Tensor
    mask: Tensor | None = None
    source: Tensor | None = None
    label: Tensor | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, Tensor | None):
                kind = f"{type(value).__module__}.{type(value).__qualname__}"
                raise ContractError(f"{name} must be a torch tensor; got {kind}: use torch.as_tensor")
        if self.values.ndim != 3:
            raise ContractError(f"values must be (B, P, C); got {tuple(self.values.shape)}")
        size, points = self.values.shape[:2]
        if self.coords.ndim not in (2, 3) or self.coords.shape[:-1] not in ((points,), (size, points)):
            raise ContractError(
                f"coords must be ({points}, D) or ({size}, {points}, D) to go with values "
                f"{tuple(self.values.shape)}; got {tuple(self.coords.shape)}"
            )
        shapes = ((size, points), tuple(self.values.shape))
        if self.mask is not None and (tuple(self.mask.shape) not in shapes or self.mask.dtype != torch.bool):
            raise ContractError(
                f"mask must be bool {shapes[0]} or, for each channel, {shapes[1]}; got {self.mask.dtype} "
                f"{tuple(self.mask.shape)}"
            )
        if self.source is not None and self.source.shape[:-1] != (size, points):
            raise ContractError(f"source must be ({size}, {points}, S); got {tuple(self.source.shape)}")
        if self.label is not None and self.label.shape != (size,):
            raise ContractError(f"label must be ({size},); got {tuple(self.label.shape)}")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: slice | Tensor) -> Batch:
        """Some of the signals, on the same points: a slice, their numbers (B',) int64, or (B,) bool."""

        def rows(tensor: Tensor) -> Tensor:
            if isinstance(index, slice) or index.dtype == torch.bool:
                return tensor[index]
            return tensor.index_select(0, index.to(tensor.device))  # much faster than tensor[index]

        return replace(
            self,
            coords=self.coords if self.shares_coords else rows(self.coords),
            values=rows(self.values),
            mask=None if self.mask is None else rows(self.mask),
            source=None if self.source is None else rows(self.source),
            label=None if self.label is None else rows(self.label),
        )

    @property
    def shares_coords(self) -> bool:
        """Whether all signals lie on the same coordinates."""
        return self.coords.ndim == 2

    @property
    def observed(self) -> Tensor | None:
        """(B, P, 1), or (B, P, C) where channels differ: what was observed; None if everything was."""
        return self.mask.unsqueeze(-1) if self.mask is not None and self.mask.ndim == 2 else self.mask

    @property
    def is_observed(self) -> Tensor:
        """(B, P, C) bool, True where observed, without exception: also where everything was."""
        everything = torch.ones_like(self.values, dtype=torch.bool)
        return everything if self.observed is None else self.observed.expand_as(self.values)

    @property
    def observed_values(self) -> Tensor:
        """(B, P, C) with 0 where nothing was observed: there `values` may hold anything, NaN too."""
        return self.filled(0.0)

    @property
    def num_observed(self) -> Tensor:
        """(1,) or (B,): points at which a signal was observed, at least 1; the mean of its channels' numbers."""
        if self.observed is None:
            return self.values.new_full((1,), float(self.values.shape[1]))
        return self.observed.to(self.values.dtype).mean(2).sum(1).clamp_min(1)

    @property
    def point_weights(self) -> Tensor:
        """(1, P, 1), (B, P, 1) or (B, P, C): weight of each observed point in its channel's mean; they sum to 1."""
        if self.observed is None:
            points = self.values.shape[1]
            return self.values.new_full((1, points, 1), 1.0 / points)
        observed = self.observed.to(self.values.dtype)
        return observed / observed.sum(1, keepdim=True).clamp_min(1)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        tensors = (self.coords, self.values, self.mask, self.source, self.label)
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)

    def at_points(self, points: Tensor | None) -> Batch:
        """The same signals at a subset of their points; `points` (P',) int64, None for all."""
        if points is None:
            return self
        points = points.to(self.values.device)
        return replace(
            self,
            coords=self.coords.index_select(-2, points),
            values=self.values.index_select(1, points),
            mask=None if self.mask is None else self.mask.index_select(1, points),
            source=None if self.source is None else self.source.index_select(1, points),
        )

    def with_mask(self, mask: Tensor | None) -> Batch:
        """The same signals, observed only where `mask` (B, P) is True as well; None changes nothing."""
        if mask is None or self.mask is None:
            return self if mask is None else replace(self, mask=mask)
        return replace(self, mask=self.mask & (mask if self.mask.ndim == 2 else mask.unsqueeze(-1)))

    def with_coord_grad(self) -> Batch:
        """The same signals, each with its own copy of the coordinates, which require a gradient."""
        coords = self.coords.expand(len(self), -1, -1) if self.shares_coords else self.coords
        return replace(self, coords=coords.clone().requires_grad_())

    def filled(self, value: float) -> Tensor:
        """(B, P, C) with a number where nothing was observed."""
        return self.values if self.observed is None else self.values.where(self.observed, value)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Batch:
        """Moved to a device; floating-point tensors also to `dtype`."""
        return replace(
            self,
            coords=self.coords.to(device, dtype),
            values=self.values.to(device, dtype),
            mask=None if self.mask is None else self.mask.to(device),
            source=None if self.source is None else self.source.to(device, dtype),
            label=None if self.label is None else self.label.to(device),
        )

    def digests(self) -> list[str]:
        """A hash of each signal's observed values, and of its points if they are its own: 32 hexadecimal digits."""
        parts = [self.observed_values, self.mask, None if self.shares_coords else self.coords]
        arrays = [part.detach().cpu().contiguous().numpy() for part in parts if part is not None]
        rows = zip(*arrays, strict=True)
        return [hashlib.blake2b(b"".join(part.tobytes() for part in row), digest_size=16).hexdigest() for row in rows]

    @staticmethod
    def stack(samples: Sequence[Sample], coords: Tensor) -> Batch:
        """Samples as a batch; those without coords of their own lie at `coords` (P, D).

        Where numbers of points differ, shorter signals are filled up with points that count as unobserved.

        Raises:
            ContractError: signals of no points, or of another number of points than `coords`.
        """
        own = [coords if sample.coords is None else sample.coords for sample in samples]
        for sample, points in zip(samples, own, strict=True):
            if not 0 < len(sample.values) == len(points):
                raise ContractError(f"{sample.name or 'a signal'}: {len(sample.values)} values at {len(points)} points")
        masks = [torch.ones_like(s.values[:, 0], dtype=torch.bool) if s.mask is None else s.mask for s in samples]
        if any(mask.ndim == 2 for mask in masks):
            channels = samples[0].values.shape[1]
            masks = [mask if mask.ndim == 2 else mask.unsqueeze(1).expand(-1, channels) for mask in masks]
        mask = pad_sequence(masks, batch_first=True)
        return Batch(
            coords if all(sample.coords is None for sample in samples) else pad_sequence(own, batch_first=True),
            pad_sequence([sample.values for sample in samples], batch_first=True),
            None if mask.all() else mask,
        )


@dataclass(frozen=True)
class Prediction:
    """Output of the network for a batch.

    Attributes:
        values: (B, P, C) output of the field, in network units (see `gonkit.nn.GON`).
        latent: (B, K).
        logits: (B, N) of a label head, or None.
        posterior: mean and log variance, (B, K) each, of a variational model, or None.
        input_values: the input signals' own prediction (B, P, C), and those signals, where an outer term needs them.
    """

    values: Tensor
    latent: Tensor
    logits: Tensor | None = None
    posterior: tuple[Tensor, Tensor] | None = None
    input_values: tuple[Tensor, Batch] | None = None
