"""Latents in clusters, to which priors are fitted."""

from __future__ import annotations

import torch

from gonkit.priors import Prior, fit_gaussian, fit_gaussian_mixture, fit_prior, standard_normal


def clusters(count: int, centers: int, seed: int = 0) -> torch.Tensor:
    """Latents (count, 3) of unit variance about centers on a line, 14 standard deviations from each other."""
    generator = torch.Generator().manual_seed(seed)
    position = torch.arange(centers).float() * 10
    own = torch.randint(centers, (count,), generator=generator)
    noise = torch.randn(count, 3, generator=generator)
    return torch.stack((position[own], -position[own], torch.zeros(count)), 1) + noise


def labels(latent: torch.Tensor) -> torch.Tensor:
    """The number of each latent's cluster."""
    return (latent[:, 0] / 10).round().long()


def every_kind() -> dict[str, Prior]:
    """A prior of every kind that needs no extra package, fitted to three clusters."""
    latent, held_out = clusters(600, 3), clusters(100, 3, seed=1)
    return {
        "normal": fit_gaussian(latent),
        "gmm": fit_gaussian_mixture(latent, 3),
        "unit": standard_normal(3),
        "classes": fit_prior("normal", latent, held_out, label=labels(latent), held_out_label=labels(held_out)),
    }
