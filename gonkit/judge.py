"""The judge: a small classifier of a data set's labels, in whose features samples are held against real signals.

Distances in its features are gonkit's own. They are comparable between samples that the same judge saw, which its
hash tells, and never with distances in another network's features.
"""

from __future__ import annotations

__all__ = ["Judge", "load_judge", "save_judge", "train_judge"]

import hashlib
import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gonkit.checkpoint import read_tensors, write_tensors
from gonkit.signal import Signal, SignalError, SignalSet

FEATURES = 64
STEPS = 1200
BATCH = 128
LEARNING_RATE = 2e-3
AT_ONCE = 1024
MOST_TRAINING = 60_000  # signals
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class Judge(nn.Module):
    """Convolutions that halve every axis until none is longer than eight points, and two linear layers.

    Args:
        grid: points along each axis, one to three of them.
        channels: of a value.
        classes: N.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, grid: tuple[int, ...], channels: int, classes: int) -> None:
        super().__init__()
        if len(grid) not in CONVOLUTIONS:
            raise SignalError(f"the judge of samples takes grids of one to three axes; got {len(grid)}")
        self.grid, self.channels, self.classes = grid, channels, classes
        layers: list[nn.Module] = []
        size, width = grid, 16
        while max(size) > 8 or not layers:
            layers += [CONVOLUTIONS[len(grid)](channels, width, 3, stride=2, padding=1), nn.ReLU()]
            size, channels, width = tuple(math.ceil(n / 2) for n in size), width, 32
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * math.prod(size), FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, classes)
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("deviation", torch.tensor(1.0))

    def forward(self, values: Tensor) -> Tensor:
        """Features (B, 64) of values (B, *grid, C)."""
        features: Tensor = self.body((values.movedim(-1, 1) - self.mean) / self.deviation)
        return features

    @torch.no_grad()
    def features(self, values: Tensor) -> Tensor:
        """The same, for many signals."""
        return torch.cat([self(part) for part in values.split(AT_ONCE)])

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, N) of features (B, 64)."""
        logits: Tensor = self.head(features)
        return logits

    def hash(self) -> str:
        """Twelve hexadecimal digits that name these weights."""
        digest = hashlib.sha256()
        for key, value in sorted(self.state_dict().items()):
            digest.update(key.encode() + value.cpu().numpy().tobytes())
        return digest.hexdigest()[:12]


class Seen(NamedTuple):
    """What a judge is shown of a set.

    Attributes:
        values: (B, *grid, C), as the signal type has them judged.
        label: (B,) int64.
    """

    values: Tensor
    label: Tensor


def train_judge(signal: Signal, train: SignalSet, seed: int = 0) -> Judge:
    """A judge that has learned the labels of the training signals.

    Raises:
        SignalError: no labels, or signals that do not lie on one grid.
    """
    seen = shown(signal, train)
    if seen is None:
        raise SignalError("samples cannot be judged by a classifier: the training signals have no labels, or no grid")
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        judge = Judge(tuple(seen.values.shape[1:-1]), seen.values.shape[-1], int(seen.label.max()) + 1)
        judge.mean.copy_(seen.values.mean())
        judge.deviation.copy_(seen.values.std().clamp_min(1e-6))
        optimizer = torch.optim.Adam(judge.parameters(), lr=LEARNING_RATE)
        for step in range(STEPS):
            index = torch.randint(len(seen.label), (BATCH,))
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
            logits = judge.classify(judge(seen.values[index]))
            loss = nn.functional.cross_entropy(logits, seen.label[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return judge.eval().requires_grad_(False)


def shown(signal: Signal, signals: SignalSet) -> Seen | None:
    """What a judge sees of a set; None where it has no labels, or signals that do not lie whole on one grid."""
    batch = signals.evenly(MOST_TRAINING)
    if batch.label is None or not batch.shared or batch.mask is not None:
        return None
    return Seen(signal.features(batch.values.cpu().unflatten(1, signal.grid())), batch.label.cpu())


def save_judge(judge: Judge, path: Path) -> None:
    """Writes a judge, so that other runs on the same signals can be held against the same features."""
    about = {"grid": judge.grid, "channels": judge.channels, "classes": judge.classes, "judge": judge.hash()}
    write_tensors(path, judge.state_dict(), about)


def load_judge(path: Path) -> Judge:
    """A judge that was saved.

    Raises:
        SignalError: no such file, or not a judge's.
    """
    tensors, about = read_tensors(path)
    if "judge" not in about:
        raise SignalError(f"{path}: not a judge; gonkit evaluate RUN --samples writes one into the run folder")
    judge = Judge(tuple(about["grid"]), about["channels"], about["classes"])
    judge.load_state_dict(tensors)
    return judge.eval().requires_grad_(False)
