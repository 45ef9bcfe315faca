"""Sources made from their targets by a loss of information, and signals interpolated between their grid points."""

from __future__ import annotations

__all__ = ["Degradation", "degrade", "interpolate_grid"]

import math
from itertools import product
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from gonkit.batch import Batch
from gonkit.data import Grid, Signal
from gonkit.errors import GonkitError

Degradation = Literal["reduced", "edges", "noisy", "masked"]
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in gray: ITU-R BT.601, as Pillow converts


def degrade(
    target_type: Signal,
    source_type: Signal,
    degradation: Degradation,
    targets: Batch,
    index: Tensor,
    *,
    noise: float = 0.2,
    hidden: float = 0.5,
) -> Batch:
    """Sources (B, P', C') made from targets (B, P, C), on the source type's grid and with its channels.

    Args:
        target_type: the type of the targets.
        source_type: the type of the sources, with at most as many points along each axis.
        degradation: "reduced" changes only points and channels; "edges" is the magnitude of the gradient; "noisy"
            adds normal noise; "masked" sets a box to zero.
        targets: on the target type's grid.
        index: (B,) numbers of the signals, which seed noise and boxes: the same signal gives the same source.
        noise: standard deviation of "noisy", in the target's unit.
        hidden: side of the box of "masked", as a share of each axis.

    Raises:
        GonkitError: targets on points of their own, or a source type with more points, or with channels that
            cannot be made from the target's.
    """
    if not targets.shares_coords:
        raise GonkitError(
            f'signal.pairs = "{degradation}": targets must lie on one grid for sources to be made from them; '
            f"{type(target_type).__name__} has signals at points of their own"
        )
    dense = target_type.grid().unflatten(targets.values).movedim(-1, 1)  # (B, C, *shape)
    match degradation:
        case "edges":
            slopes = torch.gradient(dense.mean(1, keepdim=True), dim=tuple(range(2, dense.ndim)))
            dense = torch.stack([slope.square() for slope in slopes]).sum(0).sqrt()
        case "noisy":
            dense = dense + noise * torch.stack([_noise(dense[0], seed) for seed in index.tolist()])
        case "masked":
            seeds = index.tolist()
            dense = torch.stack([_mask_box(one, hidden, seed) for one, seed in zip(dense, seeds, strict=True)])
    dense = _to_channels(dense, source_type.channels)
    grid = source_type.grid()
    if dense.shape[2:] != grid.shape:
        if len(grid.shape) != dense.ndim - 2 or any(n < m for n, m in zip(dense.shape[2:], grid.shape, strict=True)):
            raise GonkitError(
                f"signal.source: a grid of {grid.shape} cannot be made of the target's {tuple(dense.shape[2:])}; "
                "give the source type at most as many points along each axis"
            )
        dense = functional.interpolate(dense, grid.shape, mode="area")
    return Batch(grid.coords, dense.movedim(1, -1).flatten(1, -2), label=targets.label)


def interpolate_grid(values: Tensor, grid: Grid, coords: Tensor, reach: int = 0) -> Tensor:
    """Signals between their grid points: bicubic in two dimensions, linear in others; constant beyond the border.

    Args:
        values: (B, P', C) on the grid.
        grid: evenly spaced along each axis.
        coords: (P, D) or (B, P, D), at which to interpolate.
        reach: neighbors on either side along each axis, at the grid's spacing, that are interpolated too.

    Returns:
        (B, P, C · (2·reach + 1)^D), the neighbors in the order of their offsets, the last axis fastest.

    Raises:
        GonkitError: the grid's axes are not those of its coordinates.

    Example:
        >>> values = torch.tensor([0.0, 2.0, 4.0]).view(1, 3, 1)
        >>> interpolate_grid(values, Grid.corners(3), torch.tensor([[0.5]])).tolist()
        [[[3.0]]]
        >>> interpolate_grid(values, Grid.corners(3), torch.tensor([[0.0]]), reach=1).tolist()
        [[[0.0, 2.0, 4.0]]]
    """
    if len(grid.shape) != grid.dim:
        raise GonkitError(
            f"signals on a grid of shape {grid.shape} with {grid.dim} coordinates cannot be interpolated; the grid "
            "needs one axis for each coordinate"
        )
    first, spacing, count = grid.coords[0], grid.spacing, torch.tensor(grid.shape)
    dense = grid.unflatten(values).movedim(-1, 1)  # (B, C, *shape)
    dense = dense.unsqueeze(2) if grid.dim == 1 else dense  # grid_sample has no one-dimensional form
    coords = coords.expand(len(values), -1, -1)
    parts = []
    for offset in product(range(-reach, reach + 1), repeat=grid.dim):
        at = (coords - first) / spacing + torch.tensor(offset)
        at = (2 * at / (count - 1).clamp_min(1) - 1).flip(-1)  # grid_sample takes the last axis first
        if grid.dim == 1:
            at = torch.cat([at, torch.zeros_like(at)], -1)
        at = at.view(len(values), *(1,) * (dense.ndim - 3), -1, at.shape[-1])
        mode = "bicubic" if grid.dim == 2 else "bilinear"
        part = functional.grid_sample(dense, at, mode=mode, padding_mode="border", align_corners=True)
        parts.append(part.flatten(2).mT)
    return torch.cat(parts, -1)


def _to_channels(dense: Tensor, channels: int) -> Tensor:
    """(B, C, ...) with another number of channels: three become gray, others their mean; one is repeated."""
    current = dense.shape[1]
    if current in (channels, 1):
        return dense.expand(-1, channels, *(-1,) * (dense.ndim - 2))
    if channels != 1:
        raise GonkitError(
            f"signal.source: {channels} channels cannot be made of the target's {current}; use {current} or 1"
        )
    weights = torch.tensor(LUMA if current == 3 else [1 / current] * current)
    return (dense * weights.view(1, current, *(1,) * (dense.ndim - 2))).sum(1, keepdim=True)


def _noise(one: Tensor, seed: int) -> Tensor:
    return torch.randn(one.shape, generator=torch.Generator().manual_seed(seed))


def _mask_box(one: Tensor, share: float, seed: int) -> Tensor:
    """A signal (C, *shape) with a box set to zero, at a random position."""
    generator = torch.Generator().manual_seed(seed)
    box = [slice(None)]
    for size in one.shape[1:]:
        side = max(1, math.floor(share * size))
        start = int(torch.randint(size - side + 1, (), generator=generator))
        box.append(slice(start, start + side))
    masked = one.clone()
    masked[tuple(box)] = 0.0
    return masked
