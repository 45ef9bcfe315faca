"""Losses with one signature, (prediction, batch) → one value per signal, and their weighted sum."""

from __future__ import annotations

from gonkit.losses.base import Loss
from gonkit.losses.latent import CrossEntropyLoss, InputReconstructionLoss, KLLoss
from gonkit.losses.objective import LOSSES, Objective, get_loss
from gonkit.losses.pointwise import BCEWithLogitsLoss, HuberLoss, L1Loss, MSELoss, PointwiseLoss
from gonkit.losses.regularizers import LatentCovariancePenalty, LatentGradientPenalty, LatentL2Penalty
from gonkit.losses.spectral import SpectralLoss, STFTLoss, clamped_log

__all__ = [
    "LOSSES",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "InputReconstructionLoss",
    "KLLoss",
    "L1Loss",
    "LatentCovariancePenalty",
    "LatentGradientPenalty",
    "LatentL2Penalty",
    "Loss",
    "MSELoss",
    "Objective",
    "PointwiseLoss",
    "STFTLoss",
    "SpectralLoss",
    "clamped_log",
    "get_loss",
]
