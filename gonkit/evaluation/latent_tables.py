"""Latents with labels and names, as .npz or HDF5 files."""

from __future__ import annotations

__all__ = ["LatentTable", "encode_splits", "read_latents", "write_latents"]

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy
import torch
from torch import Tensor

from gonkit.data import Split
from gonkit.errors import GonkitError, reading
from gonkit.files import read_arrays, write_bytes
from gonkit.inference import Model, encode_dataset

SUFFIXES = (".npz", ".h5")
WHAT = "latents"  # for messages


class LatentTable(NamedTuple):
    """The latents of a split.

    Attributes:
        latent: (N, K).
        label: (N,) int64, or None for signals without labels.
        names: of the N signals.
    """

    latent: Tensor
    label: Tensor | None
    names: list[str]


def encode_splits(model: Model, splits: Sequence[Split] = get_args(Split)) -> dict[Split, LatentTable]:
    """The latents of whole splits, by the split's name."""
    tables: dict[Split, LatentTable] = {}
    for split in splits:
        dataset = model.dataset(split)
        names = dataset.info.names_of(torch.arange(len(dataset)))
        tables[split] = LatentTable(encode_dataset(model.gon, dataset), dataset.info.labels, names)
    return tables


def write_latents(path: Path, tables: Mapping[Split, LatentTable]) -> None:
    """Writes `SPLIT/latent` (N, K) float32, `SPLIT/label` (N,) int64 and `SPLIT/name` (N,) text.

    Raises:
        GonkitError: a suffix other than .npz and .h5.
    """
    arrays: dict[str, Any] = {}
    for split, table in tables.items():
        arrays[f"{split}/latent"] = table.latent.numpy()
        arrays[f"{split}/name"] = numpy.array(table.names, dtype=numpy.str_)
        if table.label is not None:
            arrays[f"{split}/label"] = table.label.numpy()
    content = io.BytesIO()
    if _suffix(path) == ".npz":
        numpy.savez(content, **arrays)
    else:
        import h5py

        with h5py.File(content, "w") as file:
            for key, array in arrays.items():
                text = array.dtype.kind == "U"
                file.create_dataset(key, data=array.astype(object) if text else array, dtype=_text() if text else None)
    write_bytes(path, content.getvalue())


def read_latents(path: Path) -> dict[Split, LatentTable]:
    """Reads what `write_latents` wrote.

    Raises:
        GonkitError: no such file, or not one of gonkit's.
    """
    _suffix(path)
    arrays = read_arrays(path, WHAT)
    tables: dict[Split, LatentTable] = {}
    with reading(path, WHAT, "write them anew with gonkit latents RUN"):
        for split in get_args(Split):
            if f"{split}/latent" in arrays:
                latent, names, label = (arrays.get(f"{split}/{part}") for part in ("latent", "name", "label"))
                tables[split] = _table(latent, names, label)
        if not tables:
            raise ValueError(f"it holds no latents of {', '.join(get_args(Split))}")
    return tables


def _table(latent: Any, names: Any, label: Any) -> LatentTable:
    """The arrays of one split as a table.

    Raises:
        ValueError: arrays that do not fit together.
    """
    if latent.ndim != 2 or latent.dtype.kind != "f":
        raise ValueError(f"latents are floating-point numbers (N, K); got {latent.dtype} {latent.shape}")
    count = len(latent)
    if names is None or names.shape != (count,) or names.dtype.kind not in "UO":
        raise ValueError(f"there must be {count} names")
    if label is not None and (label.shape != (count,) or label.dtype.kind not in "iu"):
        raise ValueError(f"labels are ({count},) whole numbers; got {label.dtype} {label.shape}")
    numbers = None if label is None else torch.from_numpy(label.astype(numpy.int64))
    return LatentTable(torch.from_numpy(latent.astype(numpy.float32)), numbers, list(map(str, names)))


def _text() -> Any:
    import h5py

    return h5py.string_dtype()


def _suffix(path: Path) -> str:
    if path.suffix not in SUFFIXES:
        raise GonkitError(f"{path}: latents are written to {' or '.join(SUFFIXES)}")
    return path.suffix
