"""Samples compared with real signals: Fréchet distance, precision and recall, diversity, copies, coverage."""

from __future__ import annotations

__all__ = ["evaluate_objects", "evaluate_samples", "load_or_train_classifier", "refit_prior"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gonkit.data import Signal, SignalDataset, evenly_spaced
from gonkit.errors import GonkitError
from gonkit.evaluation.feature_classifier import (
    FeatureClassifier,
    classifier_data,
    load_feature_classifier,
    save_feature_classifier,
    train_feature_classifier,
)
from gonkit.evaluation.nearest import nearest_training_signals
from gonkit.inference import Model, decode_objects, encode_dataset, encode_signals, prior_indices, reference_objects
from gonkit.metrics import (
    coverage,
    diversity,
    frechet_distance,
    minimum_matching_distance,
    pairwise_chamfer,
    precision_recall,
)
from gonkit.priors import Prior, PriorKind, fit_prior

CLASSIFIER_FILE = "classifier.safetensors"
COPY_QUANTILE = 0.99  # a near copy is more similar to a training signal than this share of reconstructions are
MAX_MEAN_SIGNALS = 10_000  # training signals over which the mean is taken
MAX_OBJECTS = 40  # compared as point clouds
POINTS_PER_OBJECT = 1024

Metrics = dict[str, float | str]


def evaluate_samples(
    model: Model,
    train: SignalDataset,
    test: SignalDataset,
    classifier: FeatureClassifier | None,
    count: int = 2000,
    seed: int = 0,
) -> Metrics:
    """Metrics of `count` samples beside those of real signals.

    Args:
        model: whose prior is sampled.
        train: signals of which samples might be copies.
        test: real signals that neither the network nor the classifier has seen.
        classifier: trained on `train`; None leaves out what is measured in its features.
        count: of samples, and of real signals that they are compared with: no more than there are of those.
        seed: of the samples.

    Returns:
        `samples`: their number. `log_likelihood`: mean of the prior's at test signals' latents, in nats. In the
        classifier's features: `gonkit_frechet`, the distance of samples from test signals, with `_floor` that of
        training signals, `_reconstructions` that of reconstructed test signals, `_ceiling` that of the mean training
        signal repeated; `precision` and `recall`, with `_floor` those of training signals; `diversity`, mean distance
        between two samples over that between two test signals; `classifier`, its hash, and `classifier_accuracy` on the
        test signals. Of values: `nearest_mean`, similarity to the nearest training signal; `near_copies`, the share of
        samples more similar to a training signal than all but 1 % of reconstructed test signals are. Of objects: those
        of `evaluate_objects`.

    Raises:
        GonkitError: a model that cannot sample, or that converts signals.
    """
    _require_samples(model)
    count = min(count, len(test), len(train))
    samples = model.prior.sample(count, seed=seed)
    index = evenly_spaced(count, len(test))
    likelihood = model.prior.log_prob(encode_signals(model.gon, test, index, refine=model.recipe.prior.refine))
    held_out = encode_signals(model.gon, test, index)
    metrics: Metrics = {"samples": float(count), "log_likelihood": likelihood.mean().item()}
    if classifier is not None:
        metrics |= _feature_metrics(model, train, test, classifier, samples, held_out)
    similarity = _nearest_similarity(model, train, torch.cat((samples, held_out)))
    similarity, usual = similarity.split([len(samples), len(held_out)])
    metrics["nearest_mean"], metrics["test_nearest_mean"] = similarity.mean().item(), usual.mean().item()
    metrics["near_copies"] = (similarity > usual.quantile(COPY_QUANTILE)).float().mean().item()
    return metrics | evaluate_objects(model, train, test, samples[:MAX_OBJECTS])


def evaluate_objects(model: Model, train: SignalDataset, test: SignalDataset, latent: Tensor) -> Metrics:
    """Metrics of decoded latents (B, K) as objects; empty for types without such metrics.

    Returns:
        `mmd` and `coverage`, with `_floor` those of training objects, where objects are point clouds too. Those of
        `Measures.sample_metrics`, with `_floor` those of training objects and `_reconstructions` those of reconstructed
        test signals.
    """
    signal, count = model.task.output_type, min(len(latent), len(test), len(train))
    index = evenly_spaced(count, len(test))
    real = reference_objects(model.task, test, index)
    floor = reference_objects(model.task, train, evenly_spaced(count, len(train)))
    own = signal.measures.sample_metrics(floor)
    real_clouds, floor_clouds = (_point_clouds(signal, objects) for objects in (real, floor))
    metrics: Metrics = {f"{name}_floor": value for name, value in own.items()}
    if not own and real_clouds is None:
        return {}
    generated = model.decode(latent[:count])
    if own:
        reconstructions = decode_objects(model.gon, signal, encode_signals(model.gon, test, index))
        metrics |= signal.measures.sample_metrics(generated)
        own = signal.measures.sample_metrics(reconstructions)
        metrics |= {f"{name}_reconstructions": value for name, value in own.items()}
    for name, clouds in (("", _point_clouds(signal, generated)), ("_floor", floor_clouds)):
        if clouds is not None and real_clouds is not None:
            distances = pairwise_chamfer(clouds, real_clouds)
            metrics[f"mmd{name}"] = minimum_matching_distance(distances)
            metrics[f"coverage{name}"] = coverage(distances)
    return metrics


def load_or_train_classifier(
    model: Model, train: SignalDataset, path: Path | None, run: Path
) -> FeatureClassifier | None:
    """The classifier at `path`, or the run's own, which is trained and saved if there is none.

    Args:
        model: whose signals are classified.
        train: labeled signals.
        path: of a saved classifier; None for the run's own.
        run: a run folder, or the model file in it.

    Returns:
        None where the training signals have no labels, or do not lie on one grid.

    Raises:
        GonkitError: a file that holds no classifier, or a model that cannot sample or that converts signals.
    """
    _require_samples(model)
    own = run / CLASSIFIER_FILE if run.is_dir() else run.with_name(CLASSIFIER_FILE)
    if path is not None or own.exists():
        return load_feature_classifier(path or own)
    if classifier_data(model.task.output_type, train) is None:
        return None
    classifier = train_feature_classifier(model.task.output_type, train)
    save_feature_classifier(classifier, own)
    return classifier


def refit_prior(model: Model, kind: PriorKind, per_class: bool = False) -> Prior:
    """Another prior for the same network, fitted to its training latents.

    Raises:
        GonkitError: a prior per class for signals without labels.
    """
    train, val, refine = model.dataset("train"), model.dataset("val"), model.recipe.prior.refine
    if per_class and (train.info.labels is None or val.info.labels is None):
        raise GonkitError("--per-class: the training signals have no labels")
    index = prior_indices(model.gon, train, refine)
    latent = encode_signals(model.gon, train, index, refine=refine)
    held_out = encode_dataset(model.gon, val, refine=refine)
    label = train.info.labels[index] if per_class and train.info.labels is not None else None
    held_out_label = val.info.labels if per_class else None
    seed = model.recipe.train.seed
    return fit_prior(kind, latent, held_out, seed=seed, label=label, held_out_label=held_out_label)


def _require_samples(model: Model) -> None:
    model.require("sample")
    if model.task.input_type is not model.task.output_type:
        raise GonkitError(
            "this model converts one type of signal to another, and its samples are not evaluated; use gonkit evaluate "
            "without --samples"
        )


def _feature_metrics(
    model: Model,
    train: SignalDataset,
    test: SignalDataset,
    classifier: FeatureClassifier,
    samples: Tensor,
    held_out: Tensor,
) -> Metrics:
    signal, count = model.task.output_type, len(samples)
    data = classifier_data(signal, test)
    if data is None:
        return {}
    correct = classifier.classify(classifier.features(data.values)).argmax(1) == data.label
    training = train.batch(evenly_spaced(max(count, MAX_MEAN_SIGNALS), len(train))).values

    def features(values: Tensor) -> Tensor:
        return classifier.features(_classifier_input(signal, values))

    real = features(test.batch(evenly_spaced(count, len(test))).values)
    floor = features(training[evenly_spaced(count, len(training))])
    generated, reconstructed = (features(model.decode_values(latent)) for latent in (samples, held_out))
    mean = features(training.mean(0, keepdim=True)).expand(count, -1)
    precision, recall = precision_recall(real, generated)
    floor_precision, floor_recall = precision_recall(real, floor)
    return {
        "gonkit_frechet": frechet_distance(generated, real),
        "gonkit_frechet_floor": frechet_distance(floor, real),
        "gonkit_frechet_reconstructions": frechet_distance(reconstructed, real),
        "gonkit_frechet_ceiling": frechet_distance(mean, real),
        "precision": precision,
        "recall": recall,
        "precision_floor": floor_precision,
        "recall_floor": floor_recall,
        "diversity": diversity(generated) / max(diversity(real), 1e-12),
        "classifier": classifier.hash(),
        "classifier_accuracy": correct.float().mean().item(),
    }


def _point_clouds(signal: Signal, objects: Sequence[Any]) -> Tensor | None:
    clouds = [signal.measures.point_cloud(obj, POINTS_PER_OBJECT) for obj in objects]
    present = [cloud for cloud in clouds if cloud is not None]
    return torch.stack(present) if present else None


def _nearest_similarity(model: Model, train: SignalDataset, latent: Tensor) -> Tensor:
    nearest = nearest_training_signals(model.gon, model.task.output_type, train, latent)
    return torch.tensor([similarity for _, similarity in nearest])


def _classifier_input(signal: Signal, values: Tensor) -> Tensor:
    """Values (B, P, C) as the classifier takes them: within the type's range, on its grid."""
    low, high = signal.value_range
    return signal.measures.classifier_features(signal.grid().unflatten(values.cpu().clamp(low, high)))
