"""Outer terms that shape the distribution of latents, so that it is easier to sample from."""

from __future__ import annotations

__all__ = ["REGULARIZERS", "LatentCovariancePenalty", "LatentGradientPenalty", "LatentL2Penalty"]

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses.base import Loss


class LatentL2Penalty(Loss):
    """|z|²/K. Ghosh et al., From Variational to Deterministic Autoencoders, arXiv 1903.12436, equation 4."""

    requires: ClassVar[Literal["latent"]] = "latent"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        return prediction.latent.square().mean(1)


class LatentCovariancePenalty(Loss):
    """|S − I|²/K of the batch's covariance S about its mean, plus |mean|²/K; the same value for every signal.

    The first term of Kumar, Sattigeri & Balakrishnan, DIP-VAE, arXiv 1711.00848, with equal weights on and off the
    diagonal. S of few signals is noisy: batches should be larger than K.
    """

    requires: ClassVar[Literal["latent"]] = "latent"
    couples_batch: ClassVar[bool] = True

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        latent = prediction.latent
        mean = latent.mean(0)
        centered = latent - mean
        size, dim = latent.shape
        difference = centered.T @ centered / max(size - 1, 1) - torch.eye(dim, dtype=latent.dtype, device=latent.device)
        return ((difference.square().sum() + mean.square().sum()) / dim).expand(size)


class LatentGradientPenalty(Loss):
    """|∂F/∂z|²/P: the squared Jacobian of decoded values in the latent, summed over channels, mean over points.

    The gradient penalty of Ghosh et al., arXiv 1903.12436, section 4, estimated by one random projection: for random
    signs v, E|vᵀJ|² = |J|² (Hutchinson, 1989), which takes one backward pass instead of P·C.
    """

    requires: ClassVar[Literal["latent"]] = "latent"
    differentiates: ClassVar[Literal["latent"]] = "latent"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        signs = torch.randint_like(prediction.values, 2) * 2 - 1
        projected = (prediction.values * signs).sum()
        (gradient,) = torch.autograd.grad(projected, prediction.latent, create_graph=True)
        return gradient.square().sum(1) / max(prediction.values.shape[1], 1)


REGULARIZERS: Mapping[str, type[Loss]] = {
    "latent_l2": LatentL2Penalty,
    "latent_covariance": LatentCovariancePenalty,
    "latent_gradient": LatentGradientPenalty,
}
