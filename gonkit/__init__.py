"""gonkit: Gradient Origin Networks for images, sounds, shapes and signals of your own."""

from __future__ import annotations

__all__ = ["__version__", "load"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gonkit.model import Model

__version__ = "0.1.0"


def load(path: str | Path) -> Model:
    """Opens a trained model: a run folder, or the model file inside it.

    Args:
        path: `runs/digits/0001` or `runs/digits/0001/model.safetensors`.

    Returns:
        A `gonkit.model.Model` with encode, decode, sample, reconstruct and interpolate.

    Raises:
        gonkit.signal.SignalError: no such file, or one that gonkit did not write.
    """
    from gonkit.model import Model  # torch takes 1.5 s to import

    return Model.load(path)
