"""Which points of a signal are observed."""

from __future__ import annotations

__all__ = ["ObservationMask", "nan_mask", "observed_mask", "random_mask"]

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gonkit.errors import GonkitError


def random_mask(count: int, points: int, share: float, seed: int = 0) -> Tensor:
    """A mask (count, points) that is True for a random share of each signal's points, at least one.

    Example:
        >>> random_mask(3, 10, 0.4).sum(1).tolist()
        [4, 4, 4]
    """
    keys = torch.rand(count, points, generator=torch.Generator().manual_seed(seed))
    return keys.argsort(1).argsort(1) < max(1, round(share * points))


def observed_mask(values: Tensor) -> Tensor:
    """The mask of values (..., P, C) that are NaN where nothing was observed: (..., P) if C = 1, else (..., P, C).

    Example:
        >>> observed_mask(torch.tensor([[[1.0], [torch.nan]]])).tolist()
        [[True, False]]
    """
    return (~values.isnan()).squeeze(-1)


def nan_mask(values: Tensor) -> Tensor | None:
    """`observed_mask(values)`, or None if nothing is missing."""
    return observed_mask(values) if values.isnan().any() else None


@dataclass(frozen=True)
class ObservationMask:
    """Which points of a signal are observed: a random share of them, outside of a hidden box.

    Attributes:
        share: of the points, drawn at random.
        hidden: LOW, HIGH of the hidden box along each axis, from 0 at the axis' beginning to 1 at its end; empty to
            hide nothing.
    """

    share: float = 1.0
    hidden: Sequence[tuple[float, float]] = ()

    def mask(self, positions: Tensor, seed: int = 0) -> Tensor | None:
        """The mask (B, P) of points at `positions` (B, P, D), from 0 to 1 along each axis; None if all are observed.

        Raises:
            GonkitError: the box has another number of axes than the points.

        Example:
            >>> ObservationMask(hidden=[(0.25, 0.5)]).mask(torch.tensor([[[0.1], [0.3], [0.5], [0.9]]])).tolist()
            [[True, False, True, True]]
        """
        observed = None
        if self.share < 1:
            observed = random_mask(positions.shape[0], positions.shape[1], self.share, seed)
        if self.hidden:
            if len(self.hidden) != positions.shape[-1]:
                raise GonkitError(
                    f"{len(self.hidden)} parts to hide were given, and the signal has {positions.shape[-1]} axes; give "
                    "one LOW:HIGH for each"
                )
            low, high = torch.tensor(self.hidden).T
            outside = ~((positions >= low) & (positions < high)).all(-1)
            observed = outside if observed is None else observed & outside
        return observed
