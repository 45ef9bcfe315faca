"""Memory that does not grow with the points: what the backward pass needs is computed again, piece by piece.

Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174.
"""

from __future__ import annotations

__all__ = ["decode_again", "infer_again"]

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from gonkit.origin import Linearisation, linearise
from gonkit.signal import Batch
from gonkit.siren import Siren

if TYPE_CHECKING:
    from gonkit.gon import GON


def decode_again(field: Siren, target: Batch, latent: Tensor, rows: int | None) -> Tensor:
    """The field (B, P, C) at a batch's points; of its inner layers at most `rows` points are held, None for all.

    Gradients are those of the field in one piece, for any loss, as only layers are cut up and never the loss.
    """
    size, points = target.values.shape[:2]
    if rows is None or size * points <= rows:
        whole: Tensor = field(target.coords, latent, target.source)
        return whole
    parts = []
    for signals in torch.arange(size).split(max(1, rows // points)):
        some = target[slice(int(signals[0]), int(signals[-1]) + 1)]
        pieces = [some.at(piece) for piece in torch.arange(points, device=latent.device).split(rows)]
        across = [checkpoint(field, p.coords, latent[signals], p.source, use_reentrant=False) for p in pieces]
        parts.append(torch.cat(across, 1))
    return torch.cat(parts)


def infer_again(gon: GON, batch: Batch, rows: int) -> Tensor:
    """`gon.infer`, holding at most `rows` points at once, or one signal's where points are its own."""
    size, points = batch.values.shape[:2]
    at_once = batch.shared and batch.source is None
    about = None
    if at_once and points > rows:
        pieces = [_again(gon.origin_field, piece) for piece in batch.coords.split(rows)]
        about = Linearisation(*(torch.cat(parts, 1) for parts in zip(*pieces, strict=True)))
    if (at_once and gon.steps == 1) or size * points <= rows:
        return gon.infer(batch, about)

    def infer(some: Batch) -> Tensor:
        return gon.infer(some, about)

    count = max(1, rows // points)
    parts = [checkpoint(infer, batch[start : start + count], use_reentrant=False) for start in range(0, size, count)]
    return torch.cat(parts)


def _again(field: Siren, coords: Tensor) -> tuple[Tensor, Tensor]:
    found: tuple[Tensor, Tensor] = checkpoint(lambda c: tuple(linearise(field, c)), coords, use_reentrant=False)
    return found
