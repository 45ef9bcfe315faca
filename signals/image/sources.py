"""Pictures that others made: photographs that come with libraries, public data sets, and labels of HDF5 files."""

from __future__ import annotations

__all__ = ["BUILT_IN", "DIGITS", "TORCHVISION", "load_photographs", "read_hdf5_labels", "read_torchvision"]

from functools import lru_cache
from pathlib import Path

import numpy
import torch
from PIL import Image as pillow
from torch import Tensor

from gonkit.data import Split, evenly_spaced
from gonkit.errors import GonkitError, reading
from gonkit.files import read_arrays

BUILT_IN = {"digits": 8, "photos": 16}  # name → pixels per side
# name → class in torchvision.datasets, pixels per side, channels
TORCHVISION = {"mnist": ("MNIST", 28, 1), "fashion": ("FashionMNIST", 28, 1), "cifar10": ("CIFAR10", 32, 3)}
MAX_VALIDATION = 2_000  # signals of a public training set that are held out for validation
DIGITS = tuple("0123456789")


@lru_cache(maxsize=1)
def load_photographs() -> list[tuple[str, pillow.Image]]:
    """Names and pictures of seven color photographs that scikit-image and scikit-learn include."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    planes = {name: getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
    planes["motorcycle"] = data.stereo_motorcycle()[0]
    planes["china"], planes["flower"] = load_sample_images().images
    return [(name, pillow.fromarray(plane)) for name, plane in planes.items()]


def read_torchvision(data: str, root: Path, download: bool, split: Split) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """A split of a public data set: pixels (N, H, W, C) uint8, labels (N,), and class names.

    Args:
        data: a name in `TORCHVISION`.
        root: folder of the data set, laid out as torchvision does.
        download: whether to download a data set that is missing.
        split: which part.

    Raises:
        GonkitError: it is not there.
    """
    from torchvision import datasets

    name = TORCHVISION[data][0]
    with reading(root, name):
        try:
            public = getattr(datasets, name)(root, train=split != "test", download=download)
        except RuntimeError:
            raise GonkitError(
                f"{name} is not in {root.resolve()}, laid out as torchvision does; set signal.root to "
                "the folder where it is, or signal.download = true in a recipe of yours to fetch it"
            ) from None
    planes, labels = torch.as_tensor(public.data), torch.as_tensor(public.targets)
    if split != "test":
        held_out = evenly_spaced(min(MAX_VALIDATION, len(planes) // 10), len(planes))
        chosen = torch.isin(torch.arange(len(planes)), held_out, invert=split == "train")
        planes, labels = planes[chosen], labels[chosen]
    return planes.reshape(*planes.shape[:3], -1), labels, DIGITS if data == "mnist" else tuple(public.classes)


def read_hdf5_labels(path: Path, count: int) -> Tensor | None:
    """(N,) labels of an HDF5 file of `count` signals, or None.

    Raises:
        GonkitError: they are no class numbers.
    """
    labels = read_arrays(path, "an HDF5 file", ["label"]).get("label")
    if labels is None:
        return None
    if labels.shape != (count,) or not numpy.issubdtype(labels.dtype, numpy.integer):
        raise GonkitError(f"{path}: label must be ({count},) integers; got {labels.shape} {labels.dtype}")
    if (bad := (labels < 0) | (labels >= count)).any():
        first = int(bad.argmax())
        raise GonkitError(
            f"{path}: label must number the classes from 0, below the {count} signals; got {labels[first]} at row "
            f"{first}, {bad.sum()} such in all. Leave signals without a label out, or number them as a class"
        )
    return torch.from_numpy(labels.astype(numpy.int64))
