"""Sources made of their targets, and read at other points."""

from __future__ import annotations

__all__ = ["Derive", "derive", "sampled"]

import math
from itertools import product
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional

from gonkit.signal import Batch, Signal, SignalError

if TYPE_CHECKING:
    from signals.paired import Paired

Derive = Literal["reduced", "edges", "noisy", "masked"]
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in gray: ITU-R BT.601, as Pillow converts


def derive(signal: Paired, wanted: Batch, index: Tensor) -> Batch:
    """Sources (B, P', C') of targets on their grid; the same for the same signals, numbered by `index` (B,)."""
    target, source = signal.target, signal.source
    if not wanted.shared:
        raise SignalError(f'signal.pairs = "{signal.pairs}": targets must lie on one grid to make sources of them')
    dense = wanted.values.unflatten(1, target.grid()).movedim(-1, 1)  # (B, C, *grid)
    match signal.pairs:
        case "edges":
            slopes = torch.gradient(dense.mean(1, keepdim=True), dim=tuple(range(2, dense.ndim)))
            dense = torch.stack([slope.square() for slope in slopes]).sum(0).sqrt()
        case "noisy":
            dense = dense + signal.noise * torch.stack([_noise(dense[0], int(i)) for i in index])
        case "masked":
            dense = torch.stack([_boxed(one, signal.hidden, int(i)) for one, i in zip(dense, index, strict=True)])
    dense = _channels(dense, source)
    grid = source.grid()
    if dense.shape[2:] != grid:
        if len(grid) != dense.ndim - 2 or any(n < m for n, m in zip(dense.shape[2:], grid, strict=True)):
            raise SignalError(
                f"signal.source: a grid of {grid} cannot be made of the target's {tuple(dense.shape[2:])}; give the "
                "source type at most as many points along each axis"
            )
        dense = functional.interpolate(dense, grid, mode="area")
    return Batch(source.coords(), dense.movedim(1, -1).flatten(1, -2), label=wanted.label)


def sampled(values: Tensor, kind: Signal, coords: Tensor, reach: int = 0) -> Tensor:
    """Signals between the points of their grid: cubic in two dimensions, linear in others; beyond it, its border.

    Args:
        values: (B, P', C) on `kind.coords()`.
        kind: the type, whose grid is evenly spaced.
        coords: (P, D) or (B, P, D), where they are wanted.
        reach: points on either side along each axis that are given as well.

    Returns:
        (B, P, C · (2·reach + 1)^D).
    """
    grid = kind.grid()
    places = kind.coords().unflatten(0, grid)
    first = places[(0,) * len(grid)]
    spacing = torch.stack([places.diff(dim=a)[(0,) * len(grid)][a] for a in range(len(grid))])
    count = torch.tensor(grid)
    dense = values.unflatten(1, grid).movedim(-1, 1)
    dense = dense.unsqueeze(2) if len(grid) == 1 else dense  # a row of one
    where = coords.expand(len(values), -1, -1)
    found = []
    for offset in product(range(-reach, reach + 1), repeat=len(grid)):
        at = (where - first) / spacing + torch.tensor(offset)
        at = (2 * at / (count - 1).clamp_min(1) - 1).flip(-1)  # grid_sample wants the last axis first
        if len(grid) == 1:
            at = torch.cat([at, torch.zeros_like(at)], -1)
        at = at.view(len(values), *(1,) * (dense.ndim - 3), -1, at.shape[-1])
        mode = "bicubic" if len(grid) == 2 else "bilinear"
        part = functional.grid_sample(dense, at, mode=mode, padding_mode="border", align_corners=True)
        found.append(part.flatten(2).mT)
    return torch.cat(found, -1)


def _channels(dense: Tensor, source: Signal) -> Tensor:
    """As many channels as the source has: three become gray, others their mean; one becomes all."""
    have, want = dense.shape[1], source.channels
    if have == want or have == 1:
        return dense.expand(-1, want, *(-1,) * (dense.ndim - 2))
    if want != 1:
        raise SignalError(f"signal.source: {want} channels cannot be made of the target's {have}; use {have} or 1")
    shares = torch.tensor(LUMA if have == 3 else [1 / have] * have).view(1, have, *(1,) * (dense.ndim - 2))
    return (dense * shares).sum(1, keepdim=True)


def _noise(one: Tensor, number: int) -> Tensor:
    return torch.randn(one.shape, generator=torch.Generator().manual_seed(number))


def _boxed(one: Tensor, share: float, number: int) -> Tensor:
    """A signal (C, *grid) with a box of it set to zero."""
    generator = torch.Generator().manual_seed(number)
    box = [slice(None)]
    for size in one.shape[1:]:
        side = max(1, math.floor(share * size))
        start = int(torch.randint(size - side + 1, (), generator=generator))
        box.append(slice(start, start + side))
    hidden = one.clone()
    hidden[tuple(box)] = 0.0
    return hidden
