"""Outer terms that make latents easier to draw."""

from __future__ import annotations

__all__ = ["REGULARIZERS", "LatentCovariance", "LatentGradient", "LatentL2"]

from collections.abc import Mapping
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
    couples: ClassVar[bool] = True

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        latent = prediction.latent
        mean = latent.mean(0)
        centered = latent - mean
        size, latents = latent.shape
        apart = centered.T @ centered / max(size - 1, 1) - torch.eye(latents, dtype=latent.dtype, device=latent.device)
        return ((apart.square().sum() + mean.square().sum()) / latents).expand(size)


class LatentGradient(Loss):
    """|∂F/∂z|²/P, the squared slope of the decoded values by the latent, summed over channels and mean over points.

    The gradient penalty of Ghosh et al., arXiv 1903.12436, section 4, by one random projection: for signs v drawn
    afresh, E|vᵀJ|² = |J|² (Hutchinson, 1989), which takes one backward pass instead of P·C.
    """

    reads: ClassVar[Literal["latent"]] = "latent"
    slopes: ClassVar[Literal["latent"]] = "latent"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        signs = torch.randint_like(prediction.values, 2) * 2 - 1
        projected = (prediction.values * signs).sum()
        (slope,) = torch.autograd.grad(projected, prediction.latent, create_graph=True)
        return slope.square().sum(1) / max(prediction.values.shape[1], 1)


REGULARIZERS: Mapping[str, type[Loss]] = {
    "latent_l2": LatentL2,
    "latent_covariance": LatentCovariance,
    "latent_gradient": LatentGradient,
}
