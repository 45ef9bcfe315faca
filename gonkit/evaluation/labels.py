"""Labels: which class a model assigns to each signal of a data set."""

from __future__ import annotations

__all__ = ["classify_dataset", "validate_labels"]

from collections.abc import Mapping

from torch import Tensor

from gonkit.data import SignalDataset
from gonkit.errors import GonkitError
from gonkit.inference import encode_dataset
from gonkit.metrics import ClassificationResult
from gonkit.nn import GON

MAX_LISTED = 5  # class names in a message


def classify_dataset(gon: GON, dataset: SignalDataset, latent: Tensor | None = None) -> ClassificationResult | None:
    """Classifies every signal of a data set.

    Args:
        gon: the network.
        dataset: with labels.
        latent: (N, K) of its signals, if they are known already.

    Returns:
        None for a network without a label head, or a data set without labels.
    """
    labels = dataset.info.labels
    if gon.classifier is None or labels is None:
        return None
    latent = encode_dataset(gon, dataset) if latent is None else latent
    probabilities = gon.classify(latent.to(gon.device)).cpu()
    return ClassificationResult(latent, probabilities, labels.cpu(), dataset.info.class_names)


def validate_labels(datasets: Mapping[str, SignalDataset]) -> None:
    """Checks that a loss on labels has what it needs.

    Args:
        datasets: by the name that messages give them, the training set first.

    Raises:
        GonkitError: a data set without labels, or with labels that no training signal has.
    """
    known: set[int] = set()
    for name, dataset in datasets.items():
        info = dataset.info
        if info.labels is None or not info.class_names:
            raise GonkitError(
                f"loss.outer: a loss on labels (cross_entropy) needs them, and the {name} signals have none; put files "
                "into a sub-folder for each class, or leave the loss out"
            )
        present = set(info.labels.unique().tolist())
        known = known or present
        if unknown := sorted(present - known):
            listed = ", ".join(repr(info.class_name(label)) for label in unknown[:MAX_LISTED])
            raise GonkitError(
                f"loss.outer: the {name} signals have labels that no training signal has ({listed}), so that they "
                "cannot be learned; change what signal holds out, or leave those classes out"
            )
