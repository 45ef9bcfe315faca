"""Reading the latent space."""

from __future__ import annotations

__all__ = ["slerp"]

import torch
from torch import Tensor


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation: along the great circle in direction, linearly in length.

    White, Sampling Generative Networks, arXiv 1609.04468. Latents of opposite or equal direction, and
    the origin, have no great circle of their own between them and are joined by a straight line.

    Args:
        a: (..., K).
        b: (..., K).
        t: (T,) from 0 at `a` to 1 at `b`.

    Returns:
        (..., T, K).

    Example:
        >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0]), torch.tensor([0.0, 0.5, 1.0]))
        tensor([[1.0000, 0.0000],
                [1.4142, 1.4142],
                [0.0000, 3.0000]])
    """
    a, b, t = a.unsqueeze(-2), b.unsqueeze(-2), t.unsqueeze(-1)
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    tiny = torch.finfo(a.dtype).tiny
    unit_a, unit_b = a / length_a.clamp_min(tiny), b / length_b.clamp_min(tiny)
    angle = torch.arccos((unit_a * unit_b).sum(-1, keepdim=True).clamp(-1, 1))
    arc = (torch.sin((1 - t) * angle) * unit_a + torch.sin(t * angle) * unit_b) / torch.sin(angle)
    curved = arc * torch.lerp(length_a, length_b, t)
    straight = torch.lerp(a, b, t)
    alike = torch.sin(angle).abs() < 1e-4
    return straight.where(alike | (length_a == 0) | (length_b == 0), curved)
