"""A small classifier of a data set's labels, in whose features samples are compared with real signals.

Distances in its features are specific to gonkit. They can be compared between samples that were measured with the same
classifier, which its hash identifies, and never with distances in the features of another network.
"""

from __future__ import annotations

__all__ = [
    "FeatureClassifier",
    "LabeledValues",
    "classifier_data",
    "load_feature_classifier",
    "save_feature_classifier",
    "train_feature_classifier",
]

import hashlib
import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gonkit.data import Signal, SignalDataset, evenly_spaced
from gonkit.errors import GonkitError, reading
from gonkit.files import read_tensors, write_tensors

NUM_FEATURES = 64
STEPS = 1200
BATCH_SIZE = 128
LEARNING_RATE = 2e-3
EVAL_BATCH_SIZE = 1024
MAX_SIGNALS = 60_000
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class FeatureClassifier(nn.Module):
    """Convolutions that halve every axis until none has more than eight points, and two linear layers.

    Args:
        grid_shape: number of points along each of one to three axes.
        channels: C.
        num_classes: N.

    Raises:
        GonkitError: no axis, or more than three.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, grid_shape: tuple[int, ...], channels: int, num_classes: int) -> None:
        super().__init__()
        if len(grid_shape) not in CONVOLUTIONS:
            raise GonkitError(f"the classifier of samples takes grids of one to three axes; got {len(grid_shape)}")
        self.grid_shape, self.channels, self.num_classes = grid_shape, channels, num_classes
        layers: list[nn.Module] = []
        size, width = grid_shape, 16
        while max(size) > 8 or not layers:
            layers += [CONVOLUTIONS[len(grid_shape)](channels, width, 3, stride=2, padding=1), nn.ReLU()]
            size, channels, width = tuple(math.ceil(n / 2) for n in size), width, 32
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * math.prod(size), NUM_FEATURES), nn.ReLU())
        self.classifier = nn.Linear(NUM_FEATURES, num_classes)
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))

    def forward(self, values: Tensor) -> Tensor:
        """Features (B, 64) of values (B, *grid_shape, C)."""
        features: Tensor = self.body((values.movedim(-1, 1) - self.mean) / self.std)
        return features

    @torch.no_grad()
    def features(self, values: Tensor) -> Tensor:
        """Features (B, 64) of many signals (B, *grid_shape, C), computed in batches."""
        return torch.cat([self(part) for part in values.split(EVAL_BATCH_SIZE)])

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, N) of features (B, 64)."""
        logits: Tensor = self.classifier(features)
        return logits

    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the weights."""
        digest = hashlib.sha256()
        for key, value in sorted(self.state_dict().items()):
            digest.update(key.encode() + value.cpu().numpy().tobytes())
        return digest.hexdigest()[:12]


class LabeledValues(NamedTuple):
    """Input and target of a classifier.

    Attributes:
        values: (B, *any shape, any C), as `Measures.classifier_features` returns them.
        label: (B,) int64.
    """

    values: Tensor
    label: Tensor


def train_feature_classifier(signal: Signal, train: SignalDataset, seed: int = 0) -> FeatureClassifier:
    """Trains a classifier on the labels of the training signals.

    Raises:
        GonkitError: signals without labels, or that do not lie on one grid.
    """
    data = classifier_data(signal, train)
    if data is None:
        raise GonkitError(
            "samples cannot be compared in the features of a classifier: the training signals have no labels, or no "
            "common grid"
        )
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        shape = data.values.shape[1:]
        classifier = FeatureClassifier(tuple(shape[:-1]), shape[-1], int(data.label.max()) + 1)
        classifier.mean.copy_(data.values.mean())
        classifier.std.copy_(data.values.std().clamp_min(1e-6))
        optimizer = torch.optim.Adam(classifier.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        for _ in range(STEPS):
            index = torch.randint(len(data.label), (BATCH_SIZE,))
            logits = classifier.classify(classifier(data.values[index]))
            loss = nn.functional.cross_entropy(logits, data.label[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval().requires_grad_(False)


def classifier_data(signal: Signal, dataset: SignalDataset) -> LabeledValues | None:
    """Input and target of a classifier of a data set; None without labels, or if signals do not lie on the grid."""
    batch = dataset.batch(evenly_spaced(MAX_SIGNALS, len(dataset)))
    if batch.label is None or batch.mask is not None or not signal.on_grid(batch):
        return None
    values = signal.grid().unflatten(batch.values.cpu())
    return LabeledValues(signal.measures.classifier_features(values), batch.label.cpu())


def save_feature_classifier(classifier: FeatureClassifier, path: Path) -> None:
    """Writes a classifier, so that samples of other runs on the same signals can be measured with it."""
    metadata = {
        "grid_shape": classifier.grid_shape,
        "channels": classifier.channels,
        "num_classes": classifier.num_classes,
        "classifier": classifier.hash(),
    }
    write_tensors(path, classifier.state_dict(), metadata)


def load_feature_classifier(path: Path) -> FeatureClassifier:
    """Reads a classifier that `save_feature_classifier` wrote.

    Raises:
        GonkitError: no such file, or no classifier in it.
    """
    tensors, metadata = read_tensors(path)
    if "classifier" not in metadata:
        raise GonkitError(
            f"{path}: not a classifier of samples; `gonkit evaluate RUN --samples` writes one into the run folder"
        )
    with reading(path, "a classifier of samples"):
        sizes = tuple(metadata["grid_shape"]), metadata["channels"], metadata["num_classes"]
        with torch.device("meta"):  # takes no memory, whatever the sizes
            classifier = FeatureClassifier(*sizes)
        classifier.load_state_dict(tensors, assign=True)
        classifier.float()
    return classifier.eval().requires_grad_(False)
