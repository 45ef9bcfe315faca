"""Metrics of reconstructions, of generated samples, and of classifications."""

from __future__ import annotations

from gonkit.metrics.accumulators import MetricAccumulator, StreamingMetrics
from gonkit.metrics.classification import ClassificationResult
from gonkit.metrics.generative import (
    coverage,
    diversity,
    frechet_distance,
    minimum_matching_distance,
    pairwise_chamfer,
    pairwise_distance,
    precision_recall,
)
from gonkit.metrics.reconstruction import (
    batch_mse,
    log_spectral_distance,
    psnr,
    si_sdr,
    snr,
    ssim,
    stft_magnitude,
)

__all__ = [
    "ClassificationResult",
    "MetricAccumulator",
    "StreamingMetrics",
    "batch_mse",
    "coverage",
    "diversity",
    "frechet_distance",
    "log_spectral_distance",
    "minimum_matching_distance",
    "pairwise_chamfer",
    "pairwise_distance",
    "precision_recall",
    "psnr",
    "si_sdr",
    "snr",
    "ssim",
    "stft_magnitude",
]
