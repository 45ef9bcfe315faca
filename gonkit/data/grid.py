"""Regular grids of sample points."""

from __future__ import annotations

__all__ = ["Grid", "Resolution"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from gonkit.errors import ContractError
from gonkit.limits import MAX_VALUES, require_at_most

Resolution = int | Sequence[int]
"""One number, as `Signal.grid` counts it, or the number of points along each axis."""


@dataclass(frozen=True)
class Grid:
    """Sample points and how they are arranged.

    Attributes:
        coords: (P, D) in [-1, 1], the last axis of the grid fastest.
        shape: number of points along each axis; their product is P. Points without rows have shape (P,).

    Raises:
        ContractError: coords that are not (P, D), or a shape of another size.

    Example:
        >>> grid = Grid.centers(2, 4)
        >>> grid.shape, grid.dim, len(grid), grid.coords[0].tolist()
        ((2, 4), 2, 8, [-0.5, -0.75])
        >>> grid.unflatten(torch.zeros(5, 8, 3)).shape
        torch.Size([5, 2, 4, 3])
    """

    coords: Tensor
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.coords.ndim != 2 or math.prod(self.shape) != len(self.coords):
            raise ContractError(
                f"a grid of shape {self.shape} needs coords ({math.prod(self.shape)}, D); "
                f"got {tuple(self.coords.shape)}"
            )

    @staticmethod
    def centers(*shape: int | Fraction) -> Grid:
        """Centers of cells that fill [-1, 1] along each axis: c_i = (i + ½)·2/n − 1.

        Where n is a fraction, the last cell, which would not be whole, is left out.
        """
        return Grid._product([(torch.arange(math.floor(n)) + 0.5) * float(2 / n) - 1 for n in shape])

    @staticmethod
    def corners(*shape: int) -> Grid:
        """Evenly spaced points from −1 to 1 along each axis, both included."""
        return Grid._product([torch.linspace(-1, 1, n) for n in shape])

    @staticmethod
    def _product(axes: Sequence[Tensor]) -> Grid:
        shape = tuple(map(len, axes))
        require_at_most(f"a grid of shape {shape}", math.prod(shape) * len(shape), MAX_VALUES, "coordinates")
        coords = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
        return Grid(coords.flatten(0, -2), tuple(coords.shape[:-1]))

    @property
    def dim(self) -> int:
        """D."""
        return self.coords.shape[1]

    def __len__(self) -> int:
        return len(self.coords)

    def unflatten(self, values: Tensor) -> Tensor:
        """Values (..., P, C) as (..., *shape, C)."""
        dense: Tensor = values.unflatten(-2, self.shape)
        return dense

    @property
    def spacing(self) -> Tensor:
        """(D,) distance between neighbors along each axis, for grids whose axes are those of the coordinates."""
        dense = self.coords.unflatten(0, self.shape)
        spacing: Tensor = torch.stack([dense.diff(dim=axis).flatten(0, -2)[0, axis] for axis in range(self.dim)])
        return spacing
