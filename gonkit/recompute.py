"""Memory that does not grow with the points: what the backward pass needs is computed again, piece by piece.

Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174.
"""

from __future__ import annotations

__all__ = ["decode_again", "infer_again"]

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
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
    count = max(1, rows // points)
    for signals in (slice(start, start + count) for start in range(0, size, count)):
        some = target[signals]
        pieces = [some.at(piece) for piece in torch.arange(points, device=latent.device).split(rows)]
        across = [checkpoint(field, p.coords, latent[signals], p.source, use_reentrant=False) for p in pieces]
        parts.append(torch.cat(across, 1))
    return torch.cat(parts)


def infer_again(gon: GON, batch: Batch, rows: int) -> Tensor:
    """`gon.infer`, holding at most `rows` points at once, or one signal's where points are its own."""
    size, points = batch.values.shape[:2]
    field, at_once = gon.origin_field, batch.shared and batch.source is None
    weights = list(field.parameters())
    if at_once and gon.steps == 1:
        pieces = [_again(partial(linearise, field, piece), weights) for piece in batch.coords.split(rows)]
        return gon.infer(batch, Linearisation(*(torch.cat(parts, 1) for parts in zip(*pieces, strict=True))))
    if size * points <= rows:
        return gon.infer(batch)
    count = max(1, rows // points)
    some = [batch[start : start + count] for start in range(0, size, count)]
    return torch.cat([_again(partial(_latent, gon, part), weights)[0] for part in some])


def _latent(gon: GON, batch: Batch) -> tuple[Tensor]:
    return (gon.infer(batch),)


def _again(function: Callable[[], Sequence[Tensor]], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    made: tuple[Tensor, ...] = _Again.apply(function, *weights)  # type: ignore[no-untyped-call]
    return made


class _Again(torch.autograd.Function):
    """Tensors that a function makes of others, made again to differentiate them, once.

    `torch.utils.checkpoint` would do, were it not that functions which differentiate themselves make it keep all.
    """

    @staticmethod
    def forward(ctx: Any, function: Callable[[], Sequence[Tensor]], *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.function, ctx.inputs = function, inputs
        ctx.reduced = torch.is_autocast_enabled(inputs[0].device.type)
        return tuple(function())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        kind = ctx.inputs[0].device.type
        with torch.enable_grad(), torch.autocast(kind, torch.bfloat16, enabled=ctx.reduced):
            made = ctx.function()
        return None, *torch.autograd.grad(made, ctx.inputs, slopes, allow_unused=True)
