"""Paths through the latent space: from one latent to another, through classes, and sums of latents."""

from __future__ import annotations

__all__ = ["Interpolation", "analogy", "class_means", "interpolate", "interpolate_path", "slerp"]

from typing import Literal

import torch
from torch import Tensor

from gonkit.errors import GonkitError
from gonkit.inference.density import density_path
from gonkit.priors import Prior

Interpolation = Literal["slerp", "linear", "density"]
"""Along a great circle; along a straight line; or along a path of likely latents."""


def interpolate(a: Tensor, b: Tensor, steps: int, kind: Interpolation = "slerp", prior: Prior | None = None) -> Tensor:
    """Latents from a to b, both included.

    Args:
        a: (..., K).
        b: (..., K).
        steps: T.
        kind: of path; "density" is `gonkit.inference.density_path`.
        prior: whose density the path follows, for "density".

    Returns:
        (..., T, K).

    Raises:
        GonkitError: "density" without a prior, or with one that says nothing about a or b.
    """
    if kind == "density":
        if prior is None:
            raise GonkitError(
                'interpolation: "density" needs the density of latents: pass prior=model.prior, or choose "slerp"'
            )
        return density_path(a, b, steps, prior)
    t = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device)
    return slerp(a, b, t) if kind == "slerp" else torch.lerp(a.unsqueeze(-2), b.unsqueeze(-2), t.unsqueeze(-1))


def interpolate_path(
    waypoints: Tensor, steps: int, kind: Interpolation = "slerp", prior: Prior | None = None
) -> Tensor:
    """Latents ((W − 1)·T + 1, K) that pass through waypoints (W, K) in order, T = `steps` from each to the next.

    Raises:
        GonkitError: "density" without a prior.
    """
    legs = interpolate(waypoints[:-1], waypoints[1:], steps + 1, kind, prior)[:, :-1]  # (W − 1, T, K)
    return torch.cat((legs.flatten(0, 1), waypoints[-1:]))


def class_means(latent: Tensor, label: Tensor) -> Tensor:
    """(N', K) mean latent of each class that occurs in label (B,), in the order of the labels."""
    return torch.stack([latent[label == one].mean(0) for one in label.unique()])


def analogy(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The latent a − b + c: a changed as c differs from b. All (..., K).

    Radford, Metz & Chintala, Unsupervised Representation Learning with DCGANs, arXiv 1511.06434, section 6.3.2.
    """
    return a - b + c


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation: along the great circle in direction, linear in length.

    White, Sampling Generative Networks, arXiv 1609.04468. Between latents of equal or opposite direction, or from the
    origin, there is no unique great circle: those are joined by a straight line.

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
    parallel = torch.sin(angle).abs() < 1e-4
    return straight.where(parallel | (length_a == 0) | (length_b == 0), curved)
