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

from gonkit.origin import Linearization, cost_of, gradient_of, linearize, pulled
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
    for signals in _groups(target, rows):
        some = target[signals]
        pieces = [some.at(piece) for piece in _pieces(target, rows)]
        across = [checkpoint(field, p.coords, latent[signals], p.source, use_reentrant=False) for p in pieces]
        parts.append(torch.cat(across, 1))
    return torch.cat(parts)


def infer_again(gon: GON, batch: Batch, rows: int) -> Tensor:
    """`gon.infer`, holding at most `rows` points at once; the damped origin, on own points, at least one signal's."""
    size, points = batch.values.shape[:2]
    field, at_once = gon.origin_field, batch.shared and batch.source is None
    weights = list(field.parameters())
    if size * points <= rows:
        return gon.infer(batch)
    if gon.origin == "damped" and not (at_once and gon.steps == 1):
        some = [batch[signals] for signals in _groups(batch, rows)]
        return torch.cat([_again(partial(_latent, gon, part), weights)[0] for part in some])
    about_zero = None
    if at_once:
        linear = [_again(partial(linearize, field, piece), weights) for piece in batch.coords.split(rows)]
        about_zero = Linearization(*(torch.cat(parts, 1) for parts in zip(*linear, strict=True)))
    return gon.infer(batch, about_zero, partial(_slope, gon, batch, rows))


def _groups(batch: Batch, rows: int) -> list[slice]:
    """Signals whose points, or one of them with more, are gone through together."""
    size, points = batch.values.shape[:2]
    count = max(1, rows // points)
    return [slice(start, start + count) for start in range(0, size, count)]


def _pieces(batch: Batch, rows: int) -> tuple[Tensor, ...]:
    """Numbers of the points that are gone through together."""
    pieces: tuple[Tensor, ...] = torch.arange(batch.values.shape[1], device=batch.values.device).split(rows)
    return pieces


def _slope(gon: GON, batch: Batch, rows: int, latent: Tensor) -> Tensor:
    """∇L (B, K) at a latent: ∂L/∂F of all points, taken back through the field piece by piece."""
    field = gon.origin_field
    values = decode_again(field, batch, latent, rows).to(latent.dtype)
    residual = gradient_of(partial(cost_of, gon.inner, batch, latent), values, torch.is_grad_enabled())
    slopes = []
    for signals in _groups(batch, rows):
        slope, inputs = torch.zeros_like(latent[signals]), (residual[signals], latent[signals])
        for piece in _pieces(batch, rows):
            back = partial(_back, field, batch[signals].at(piece), piece)
            slope = slope + _again(back, list(field.parameters()), *inputs)[0]
        slopes.append(slope)
    return torch.cat(slopes)


def _back(field: Siren, some: Batch, piece: Tensor, residual: Tensor, latent: Tensor) -> tuple[Tensor]:
    """Σ_pc r_bpc ∂F_pc/∂z (b, K) over a piece's points."""

    def values_at(latent: Tensor) -> Tensor:
        values: Tensor = field(some.coords, latent, some.source)
        return values.to(latent.dtype)

    _, slope_of = pulled(values_at, latent, torch.is_grad_enabled())
    return (slope_of(residual[:, piece]),)


def _latent(gon: GON, batch: Batch) -> tuple[Tensor]:
    return (gon.infer(batch),)


def _again(function: Callable[..., Sequence[Tensor]], weights: Sequence[Tensor], *given: Tensor) -> tuple[Tensor, ...]:
    made: tuple[Tensor, ...] = _Again.apply(function, len(given), *given, *weights)  # type: ignore[no-untyped-call]
    return made


class _Again(torch.autograd.Function):
    """Tensors that a function makes of those that it is given and of weights, made again to differentiate them, once.

    `torch.utils.checkpoint` would do, were it not that functions which differentiate themselves make it keep all.
    """

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Sequence[Tensor]], count: int, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.function, ctx.count, ctx.inputs = function, count, inputs
        ctx.reduced = torch.is_autocast_enabled(inputs[-1].device.type)
        return tuple(function(*inputs[:count]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        count, needed = ctx.count, ctx.needs_input_grad[2:]
        pairs = zip(ctx.inputs[:count], needed[:count], strict=True)
        given = [tensor.detach().requires_grad_(need) for tensor, need in pairs]  # without what they were made of
        with torch.enable_grad(), torch.autocast(ctx.inputs[-1].device.type, torch.bfloat16, enabled=ctx.reduced):
            made = ctx.function(*given)
        wanted = [t for t, need in zip([*given, *ctx.inputs[count:]], needed, strict=True) if need]
        found = iter(torch.autograd.grad(made, wanted, slopes, allow_unused=True))
        return None, None, *(next(found) if need else None for need in needed)
