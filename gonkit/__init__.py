"""gonkit: Gradient Origin Networks for images, sounds, shapes and signals of your own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gonkit._version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from gonkit.batch import Batch
    from gonkit.data import Grid, InMemoryDataset, Signal, SignalDataset, split_indices
    from gonkit.inference import Model
    from gonkit.pipeline import train
    from gonkit.recipe import TaskSource

__all__ = [
    "Batch",
    "Grid",
    "InMemoryDataset",
    "Signal",
    "SignalDataset",
    "__version__",
    "load",
    "split_indices",
    "train",
]

_LAZY = {  # imported when they are first used: torch takes 1.5 s
    "Batch": "gonkit.batch",
    "Grid": "gonkit.data",
    "InMemoryDataset": "gonkit.data",
    "Signal": "gonkit.data",
    "SignalDataset": "gonkit.data",
    "split_indices": "gonkit.data",
    "train": "gonkit.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'gonkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load(
    path: str | Path,
    *,
    signal: TaskSource | None = None,
    data: str | Path | None = None,
    trust_code: bool = False,
) -> Model:
    """Opens a trained model: a run folder, or the model file in it.

    A signal type of one's own is looked for where its file was, beside the model, in the folders above it, and in the
    working directory. Its code is run if it belongs to a run of this user's own; a model of someone else may name
    signal types of installed packages only, unless `trust_code` or `signal` allows more.

    Args:
        path: `runs/digits/0001` or `runs/digits/0001/model.safetensors`.
        signal: the signal type where it is not found, or another one: the class or `file.py:Class`, which take the
            model's settings; or a `Signal` itself, with settings of its own.
        data: the folder that the data is in now, instead of the type's setting `data`.
        trust_code: run whatever code the model names, and take all its settings, as if one had made it oneself.

    Returns:
        A `gonkit.inference.Model` with encode, decode, sample, reconstruct and interpolate.

    Raises:
        gonkit.errors.GonkitError: no such file, or not one that gonkit wrote; a signal type that is not found, or that
            the weights do not fit; or code that no run of one's own has used, which the message names.
    """
    from gonkit.inference import Model

    return Model.load(path, signal, data, trust_code=trust_code)
