"""How good a trained model is: reconstructions, samples, labels, baselines."""

from __future__ import annotations

from gonkit.evaluation.baselines import pca_baseline
from gonkit.evaluation.elbo import evaluate_elbo
from gonkit.evaluation.feature_classifier import (
    FeatureClassifier,
    load_feature_classifier,
    save_feature_classifier,
    train_feature_classifier,
)
from gonkit.evaluation.labels import classify_dataset, validate_labels
from gonkit.evaluation.latent_tables import LatentTable, encode_splits, read_latents, write_latents
from gonkit.evaluation.nearest import nearest_training_signals
from gonkit.evaluation.partial_observation import partial_observation_curve
from gonkit.evaluation.reconstruction import evaluate
from gonkit.evaluation.samples import (
    evaluate_objects,
    evaluate_samples,
    load_or_train_classifier,
    refit_prior,
)

__all__ = [
    "FeatureClassifier",
    "LatentTable",
    "classify_dataset",
    "encode_splits",
    "evaluate",
    "evaluate_elbo",
    "evaluate_objects",
    "evaluate_samples",
    "load_feature_classifier",
    "load_or_train_classifier",
    "nearest_training_signals",
    "partial_observation_curve",
    "pca_baseline",
    "read_latents",
    "refit_prior",
    "save_feature_classifier",
    "train_feature_classifier",
    "validate_labels",
    "write_latents",
]
