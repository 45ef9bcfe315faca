"""Densities of latents, from which new signals are sampled, and a measure of how normal latents are."""

from __future__ import annotations

from gonkit.priors.base import Prior
from gonkit.priors.fit import ClassConditionalPrior, PriorKind, fit_prior, load_prior
from gonkit.priors.flow import FlowPrior, fit_flow
from gonkit.priors.gaussian import GaussianMixture, fit_gaussian, standard_normal
from gonkit.priors.mixture import fit_gaussian_mixture, select_gaussian_mixture
from gonkit.priors.normality import energy, normality

__all__ = [
    "ClassConditionalPrior",
    "FlowPrior",
    "GaussianMixture",
    "Prior",
    "PriorKind",
    "energy",
    "fit_flow",
    "fit_gaussian",
    "fit_gaussian_mixture",
    "fit_prior",
    "load_prior",
    "normality",
    "select_gaussian_mixture",
    "standard_normal",
]
