"""Activation checkpointing: activations are recomputed chunk by chunk in the backward pass, so that memory does not
grow with the number of points.

Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174.
"""

from __future__ import annotations

__all__ = ["decode_checkpointed", "infer_latent_checkpointed"]

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from gonkit.batch import Batch, Prediction
from gonkit.differentiation import value_and_vjp
from gonkit.losses import Loss
from gonkit.nn.inner_steps import InnerStep
from gonkit.nn.origin import Linearization, infer_latent, linearize
from gonkit.nn.siren import Siren


def decode_checkpointed(field: Siren, target: Batch, latent: Tensor, max_points: int | None) -> Tensor:
    """Values (B, P, C) of the field at a batch's points, keeping activations of at most `max_points` points.

    Gradients are those of the field in one piece, for any loss: only the layers are chunked, never the loss. None keeps
    all activations.
    """
    size, points = target.values.shape[:2]
    if max_points is None or size * points <= max_points:
        whole: Tensor = field(target.coords, latent, target.source)
        return whole
    parts = []
    for signals in _signal_chunks(target, max_points):
        chunks = [target[signals].at_points(chunk) for chunk in _point_chunks(target, max_points)]
        values = [checkpoint(field, c.coords, latent[signals], c.source, use_reentrant=False) for c in chunks]
        parts.append(torch.cat(values, 1))
    return torch.cat(parts)


def infer_latent_checkpointed(
    field: Siren, loss: Loss, batch: Batch, inner_step: InnerStep, *, steps: int, max_points: int
) -> Tensor:
    """`infer_latent`, keeping activations of at most `max_points` points at once.

    A step that uses curvature, on points of a signal's own, keeps at least one signal's.
    """
    size, points = batch.values.shape[:2]
    shared = batch.shares_coords and batch.source is None
    weights = list(field.parameters())
    if size * points <= max_points:
        return infer_latent(field, loss, batch, inner_step, steps=steps)
    if inner_step.uses_curvature and not (shared and steps == 1):

        def infer(part: Batch) -> tuple[Tensor]:
            return (infer_latent(field, loss, part, inner_step, steps=steps),)

        parts = [batch[signals] for signals in _signal_chunks(batch, max_points)]
        return torch.cat([_recompute(partial(infer, part), weights)[0] for part in parts])
    origin = None
    if shared:
        chunks = [_recompute(partial(linearize, field, coords), weights) for coords in batch.coords.split(max_points)]
        origin = Linearization(*(torch.cat(tensors, 1) for tensors in zip(*chunks, strict=True)))
    gradient_at = partial(_chunked_gradient, field, loss, batch, max_points)
    return infer_latent(field, loss, batch, inner_step, steps=steps, origin=origin, gradient_at=gradient_at)


def _signal_chunks(batch: Batch, max_points: int) -> list[slice]:
    """Slices of signals with at most `max_points` points together, or of one signal with more."""
    size, points = batch.values.shape[:2]
    count = max(1, max_points // points)
    return [slice(start, start + count) for start in range(0, size, count)]


def _point_chunks(batch: Batch, max_points: int) -> tuple[Tensor, ...]:
    """Point numbers in chunks of at most `max_points`."""
    chunks: tuple[Tensor, ...] = torch.arange(batch.values.shape[1], device=batch.values.device).split(max_points)
    return chunks


def _chunked_gradient(field: Siren, loss: Loss, batch: Batch, max_points: int, latent: Tensor) -> Tensor:
    """∇L (B, K) at a latent: ∂L/∂F of all points, pulled back through the field chunk by chunk."""
    values = decode_checkpointed(field, batch, latent, max_points).to(latent.dtype)
    residual = loss.residual(Prediction(values, latent), batch)
    gradients = []
    for signals in _signal_chunks(batch, max_points):
        total, inputs = torch.zeros_like(latent[signals]), (residual[signals], latent[signals])
        for chunk in _point_chunks(batch, max_points):
            vjp = partial(_chunk_vjp, field, batch[signals].at_points(chunk), chunk)
            total = total + _recompute(vjp, list(field.parameters()), *inputs)[0]
        gradients.append(total)
    return torch.cat(gradients)


def _chunk_vjp(field: Siren, batch: Batch, chunk: Tensor, residual: Tensor, latent: Tensor) -> tuple[Tensor]:
    """Σ_pc r_bpc ∂F_pc/∂z (b, K) over the points of a chunk."""

    def values_at(latent: Tensor) -> Tensor:
        values: Tensor = field(batch.coords, latent, batch.source)
        return values.to(latent.dtype)

    _, vjp = value_and_vjp(values_at, latent, torch.is_grad_enabled())
    return (vjp(residual[:, chunk]),)


def _recompute(
    function: Callable[..., Sequence[Tensor]], weights: Sequence[Tensor], *inputs: Tensor
) -> tuple[Tensor, ...]:
    outputs: tuple[Tensor, ...] = _RecomputeFunction.apply(  # type: ignore[no-untyped-call]
        function, len(inputs), *inputs, *weights
    )
    return outputs


class _RecomputeFunction(torch.autograd.Function):
    """A function of inputs and weights whose activations are recomputed in the backward pass; differentiable once.

    `torch.utils.checkpoint` keeps all activations of functions that differentiate themselves, so it cannot serve here.
    """

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Sequence[Tensor]], count: int, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.function, ctx.count, ctx.inputs = function, count, inputs
        ctx.reduced = torch.is_autocast_enabled(inputs[-1].device.type)
        return tuple(function(*inputs[:count]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        count, needed = ctx.count, ctx.needs_input_grad[2:]
        pairs = zip(ctx.inputs[:count], needed[:count], strict=True)
        inputs = [tensor.detach().requires_grad_(need) for tensor, need in pairs]  # without their own history
        with torch.enable_grad(), torch.autocast(ctx.inputs[-1].device.type, torch.bfloat16, enabled=ctx.reduced):
            outputs = ctx.function(*inputs)
        leaves = [t for t, need in zip([*inputs, *ctx.inputs[count:]], needed, strict=True) if need]
        found = iter(torch.autograd.grad(outputs, leaves, grads, allow_unused=True))
        return None, None, *(next(found) if need else None for need in needed)
