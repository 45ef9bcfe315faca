"""Gradients of functions, eager or compiled, differentiable again."""

from __future__ import annotations

__all__ = ["gradient", "value_and_vjp"]

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor


def gradient(function: Callable[[Tensor], Tensor], at: Tensor, create_graph: bool) -> Tensor:
    """Gradient of a scalar function."""
    value, vjp = value_and_vjp(function, at, create_graph)
    return vjp(torch.ones_like(value))


def value_and_vjp(
    function: Callable[[Tensor], Tensor], at: Tensor, create_graph: bool
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A function's value and its vector–Jacobian product v ↦ vᵀ∂f/∂x, with v broadcast over rows."""
    if torch.compiler.is_compiling():  # the compiler traces torch.func, and not torch.autograd.grad
        traced = cast(tuple[Tensor, Callable[[Tensor], tuple[Tensor]]], torch.func.vjp(function, at))
        return traced[0], lambda direction: traced[1](direction.expand_as(traced[0]))[0]
    with torch.enable_grad():
        at = at if at.requires_grad else at.detach().requires_grad_()
        value = function(at)

    def vjp(direction: Tensor) -> Tensor:
        (product,) = torch.autograd.grad(
            value, at, direction.expand_as(value), create_graph=create_graph, retain_graph=True
        )
        return product

    return value, vjp
