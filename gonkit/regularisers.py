"""Outer terms that make latents easier to draw."""

from __future__ import annotations

__all__ = ["LatentCovariance", "LatentL2"]

from typing import ClassVar, Literal

import torch
from torch import Tensor

from gonkit.losses import Loss
from gonkit.signal import Batch, Prediction


class LatentL2(Loss):
    """|z|²/K. Ghosh et al., From Variational to Deterministic Autoencoders, arXiv 1903.12436, equation 4."""

    reads: ClassVar[Literal["latent"]] = "latent"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        return prediction.latent.square().mean(1)


class LatentCovariance(Loss):
    """|S − I|²/K of the batch's covariance S about its mean, plus |mean|²/K, the same number for every signal.

    The first term of Kumar, Sattigeri & Balakrishnan, DIP-VAE, arXiv 1711.00848, with equal weights on and off the
    diagonal. S of few signals is noisy: batches should be larger than K.
    """

    reads: ClassVar[Literal["latent"]] = "latent"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        latent = prediction.latent
        mean = latent.mean(0)
        centred = latent - mean
        size, latents = latent.shape
        apart = centred.T @ centred / max(size - 1, 1) - torch.eye(latents, dtype=latent.dtype, device=latent.device)
        return ((apart.square().sum() + mean.square().sum()) / latents).expand(size)
