"""Array files of one signal each."""

from __future__ import annotations

__all__ = ["ArrayFiles"]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy
from PIL import Image as pillow
from torch import Tensor

from gonkit.batch import Sample
from gonkit.data import SignalFiles, nan_mask
from gonkit.errors import GonkitError
from signals.array.sources import NUMBERS, Layout, read_array, to_values


class ArrayFiles(SignalFiles):
    """.npy files, and .npz files, of one signal each; NaN marks what was not observed.

    Args:
        to_object: the signal type's `to_object`.
        preview: the signal type's `preview`.
        layout: of a file's array.
        key: of the array in an .npz file.
        missing: value that marks what was not observed, beside NaN.
    """

    read_suffixes: ClassVar[frozenset[str]] = frozenset({".npy", ".npz"})
    write_suffixes: ClassVar[tuple[str, ...]] = (".npy", ".png")

    def __init__(
        self,
        to_object: Callable[[Tensor, int | None], Any],
        preview: Callable[[Any], pillow.Image],
        layout: Layout,
        key: str,
        missing: float | None,
    ) -> None:
        super().__init__(to_object, preview)
        self.layout, self.key, self.missing = layout, key, missing

    def load(self, path: Path) -> Sample:
        if path.suffix.lower() not in self.read_suffixes:
            raise GonkitError(f"{path}: arrays of one signal are read from {', '.join(sorted(self.read_suffixes))}")
        array = numpy.asarray(read_array(path, self.key))
        if array.dtype.kind not in NUMBERS:
            raise GonkitError(f"{path}: holds {array.dtype}, and real numbers are wanted")
        if array.shape != self.layout.array_shape:
            raise GonkitError(f"{path}: an array of shape {array.shape}; wanted {self.layout.array_shape}")
        values = to_values(array, self.layout, self.missing)
        if values.isinf().any():
            raise GonkitError(f"{path}: {int(values.isinf().sum())} values are infinite; mark them as missing by NaN")
        if values.isnan().all():
            raise GonkitError(f"{path}: no value in it was observed")
        return Sample(values, mask=nan_mask(values), name=path.stem)

    def inspect(self, path: Path) -> Mapping[str, str]:
        sample = self.load(path)
        known = sample.values[~sample.values.isnan()]
        missing = sample.values.isnan().double().mean().item()
        return {
            "shape": " × ".join(map(str, self.layout.array_shape)),
            "lowest": f"{known.min():.4g}",
            "highest": f"{known.max():.4g}",
            "missing": f"{missing:.1%}",
            "verdict": "good",
        }
