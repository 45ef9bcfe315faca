"""Ways through the latent space: from one latent to another, through classes, and sums of latents."""

from __future__ import annotations

__all__ = ["PathKind", "analogy", "between", "class_means", "slerp", "through"]

from typing import Literal

import torch
from torch import Tensor

PathKind = Literal["slerp", "linear"]


def between(a: Tensor, b: Tensor, steps: int, path: PathKind = "slerp") -> Tensor:
    """Latents (..., T, K) from a (..., K) to b (..., K), ends included; T = `steps`."""
    t = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device)
    return slerp(a, b, t) if path == "slerp" else torch.lerp(a.unsqueeze(-2), b.unsqueeze(-2), t.unsqueeze(-1))


def through(stations: Tensor, steps: int, path: PathKind = "slerp") -> Tensor:
    """Latents ((S − 1)·T + 1, K) that pass through stations (S, K) in order, T = `steps` from each to the next."""
    legs = between(stations[:-1], stations[1:], steps + 1, path)[:, :-1]  # (S − 1, T, K)
    return torch.cat((legs.flatten(0, 1), stations[-1:]))


def class_means(latent: Tensor, label: Tensor) -> Tensor:
    """(N', K) mean latent of each class that occurs, in the order of the labels (B,)."""
    return torch.stack([latent[label == one].mean(0) for one in label.unique()])


def analogy(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The latent a − b + c: what c is to b, done to a. All (..., K).

    Radford, Metz & Chintala, Unsupervised Representation Learning with DCGANs, arXiv 1511.06434, section 6.3.2.
    """
    return a - b + c


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
