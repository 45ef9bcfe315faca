"""The network: a SIREN field, the inner steps that infer latents from its gradient, and the GON made of them."""

from __future__ import annotations

from gonkit.nn.gon import GON, StepNoise
from gonkit.nn.heads import PosteriorHead, classifier_head
from gonkit.nn.inner_steps import DampedStep, GradientStep, InnerStep, SparseStep, soft_threshold
from gonkit.nn.origin import Linearization, infer_latent, linearize
from gonkit.nn.refinement import LatentDistribution, refine_latent
from gonkit.nn.series import FourierSeries
from gonkit.nn.siren import Siren

__all__ = [
    "GON",
    "DampedStep",
    "FourierSeries",
    "GradientStep",
    "InnerStep",
    "LatentDistribution",
    "Linearization",
    "PosteriorHead",
    "Siren",
    "SparseStep",
    "StepNoise",
    "classifier_head",
    "infer_latent",
    "linearize",
    "refine_latent",
    "soft_threshold",
]
