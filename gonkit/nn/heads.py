"""Heads on the latent: to the labels, and to the posterior of a variational model."""

from __future__ import annotations

__all__ = ["PosteriorHead", "classifier_head"]

import torch
from torch import Tensor, nn


def classifier_head(latent_dim: int, classes: int, width: int = 0) -> nn.Module:
    """Latent (B, K) → logits (B, N).

    Args:
        latent_dim: K.
        classes: N.
        width: units of a hidden layer after normalization; 0 for the linear head of the paper's Eq. 2.
    """
    if not width:
        return nn.Linear(latent_dim, classes)
    return nn.Sequential(nn.LayerNorm(latent_dim), nn.Linear(latent_dim, width), nn.ReLU(), nn.Linear(width, classes))


class PosteriorHead(nn.Module):
    """Linear heads from the latent that the inner steps give to the mean and log variance of a posterior.

    Initialized so that the mean is that latent itself and the variance 1.

    Args:
        latent_dim: K.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(latent_dim, latent_dim)
        self.log_variance = nn.Linear(latent_dim, latent_dim)
        with torch.no_grad():
            nn.init.eye_(self.mean.weight)
            for zero in (self.mean.bias, self.log_variance.weight, self.log_variance.bias):
                zero.zero_()

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (B, K) each."""
        return self.mean(latent), self.log_variance(latent)
