"""Where arrays come from: one file of many signals, or a folder with a file for each."""

from __future__ import annotations

__all__ = ["SUFFIXES", "ArraySource", "Layout", "array_keys", "open_source", "read_array", "to_values", "widened"]

import math
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from gonkit.data import DataFile, HDF5Rows, LabeledFolder, files_below
from gonkit.errors import GonkitError, reading
from gonkit.files import read_arrays
from gonkit.imports import did_you_mean
from gonkit.limits import MAX_VALUES, require_at_most

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".zarr")
MAX_AXES = 4  # of a grid
FEW = 4  # points along an axis that are taken for channels where nothing says so
NUMBERS = "biuf"  # kinds of numpy dtypes

Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class Layout:
    """How the array of one signal is arranged.

    Attributes:
        shape: points along each axis of the grid.
        channels_axis: which axis holds channels, counted from the end, as −1; None for one channel without an axis.
        channels: C.
    """

    shape: tuple[int, ...]
    channels_axis: int | None
    channels: int

    @property
    def array_shape(self) -> tuple[int, ...]:
        """Of one signal's array."""
        shape = list(self.shape)
        if self.channels_axis is not None:
            shape.insert(len(shape) + 1 + self.channels_axis, self.channels)
        return tuple(shape)

    def to_values(self, array: Array) -> Array:
        """(P, C) float32 of one signal's array."""
        return numpy.array(self.to_dense(array).reshape(-1, self.channels), dtype=numpy.float32)

    def to_array(self, dense: Array) -> Array:
        """Values (*shape, C) arranged as in a file."""
        return dense[..., 0] if self.channels_axis is None else numpy.moveaxis(dense, -1, self.channels_axis)

    def to_dense(self, array: Array) -> Array:
        """Values (*shape, C) of an array that is arranged as in a file, of any number of points."""
        return array[..., None] if self.channels_axis is None else numpy.moveaxis(array, self.channels_axis, -1)

    @staticmethod
    def interpret(shape: Sequence[int], axes: Sequence[str], channels_axis: int | None) -> Layout:
        """The layout of a signal's array of some shape.

        Args:
            shape: of one signal.
            axes: names of the grid's axes, if they are given.
            channels_axis: counted from the end; None if it is not given: then the last axis holds channels if `axes`
                leaves one over, or if there are no `axes`, more than one axis, and at most four points along the last.

        Raises:
            GonkitError: a shape that is not one to four axes and perhaps channels, or one that could be misread.

        Example:
            >>> Layout.interpret((24, 48), [], None)
            Layout(shape=(24, 48), channels_axis=None, channels=1)
            >>> Layout.interpret((24, 48, 3), [], None).channels, Layout.interpret((500, 12), ["time"], None).channels
            (3, 12)
        """
        ndim = len(shape)
        if channels_axis is None and (ndim == len(axes) + 1 if axes else ndim > 1 and shape[-1] <= FEW):
            channels_axis = -1
        if channels_axis is not None and not -ndim <= channels_axis < 0:
            raise GonkitError(f"channels_axis: there is no such axis in a signal of shape {tuple(shape)}")
        grid = [n for axis, n in enumerate(shape) if channels_axis is None or axis != ndim + channels_axis]
        if axes and len(axes) != len(grid):
            raise GonkitError(
                f"axes: {len(axes)} names, {', '.join(axes)}, for a signal of shape {tuple(shape)}: name every axis of "
                "the grid, and not that of the channels"
            )
        if not 1 <= len(grid) <= MAX_AXES:
            raise GonkitError(f"a signal has 1 to {MAX_AXES} axes beside channels; got the shape {tuple(shape)}")
        if channels_axis is None and not axes and len(grid) > 1 and grid[0] <= FEW:
            raise GonkitError(
                f"a signal of shape {tuple(shape)} may have {grid[0]} channels or an axis of {grid[0]} points: say "
                "channels_axis = 1 if they are channels (axis 0 numbers the signals), or name the axes of the grid, as "
                'in axes = ["z", "y", "x"]'
            )
        if 0 in shape:
            raise GonkitError(f"a signal of shape {tuple(shape)} has no values")
        return Layout(tuple(grid), channels_axis, 1 if channels_axis is None else shape[channels_axis])


def to_values(array: Array, layout: Layout, missing: float | None) -> Tensor:
    """(P, C) of a signal's array, NaN where it was not observed; `missing` marks that too."""
    values = torch.from_numpy(layout.to_values(array))
    return values if missing is None else values.where(values != missing, torch.nan)


def widened(low: float, high: float) -> tuple[float, float]:
    """A range that is finite and not empty.

    Example:
        >>> widened(1.0, 3.0), widened(2.0, 2.0), widened(math.inf, -math.inf)
        ((1.0, 3.0), (1.5, 2.5), (0.0, 1.0))
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    return (low, high) if low < high else (low - 0.5, low + 0.5)


class ArraySource:
    """Arrays of N signals, each read when it is needed; every process opens files for itself.

    Args:
        path: of the file or folder, for messages.
        opener: opens what gives a signal's array by its number.
        folder: of files with one signal each; None if the signals lie along the first axis of a file.
    """

    def __init__(self, path: Path, opener: Callable[[], Any], folder: LabeledFolder | None = None) -> None:
        self.path, self.opener, self.folder = path, opener, folder
        self._opened: tuple[int, Any] | None = None
        rows = self._rows()
        self.shape: tuple[int, ...] = tuple(rows.shape)
        self.dtype = numpy.dtype(rows.dtype)
        self.names = list(map(str, range(self.shape[0]))) if folder is None else list(folder.fields)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def files(self) -> list[tuple[DataFile, ...]] | None:
        """From which each signal is read; None where that is a folder of parts, as of Zarr."""
        if self.folder is not None:
            return files_below(self.path, self.folder.paths)
        return None if self.path.is_dir() else len(self) * files_below(self.path.parent, [self.path])

    def layout(self, axes: Sequence[str], channels_axis: int | None) -> Layout:
        """How signals are arranged; `channels_axis` is counted as in a file: from 0, or from the end as −1.

        Raises:
            GonkitError: see `Layout.interpret`.
        """
        ndim = len(self.shape) - (self.folder is not None)  # of a file's array
        if channels_axis is not None and channels_axis >= 0:
            if channels_axis == 0 and self.folder is None:
                raise GonkitError("channels_axis: axis 0 numbers the signals")
            channels_axis -= ndim
        return Layout.interpret(self.shape[1:], axes, channels_axis)

    def __getitem__(self, number: int) -> Array:
        with reading(self.path, "arrays"):
            return numpy.asarray(self._rows()[number])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def _rows(self) -> Any:
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), self.opener()
        return self._opened[1]


def open_source(path: Path, key: str, beside: Sequence[str] = (), label: str | None = None) -> ArraySource:
    """The signals of a file, along its first axis, or of a folder of .npy files.

    Args:
        path: of the file or folder.
        key: of the array in an .npz, HDF5 or Zarr file; empty for the only one, or for `values`.
        beside: keys of other arrays that do not count, such as labels.
        label: how a folder's files are labeled; see `gonkit.data.LabelRule`.

    Raises:
        GonkitError: no such file or array, one that cannot be read, or one that does not hold numbers.
    """
    if path.suffix.lower() in SUFFIXES:
        source = ArraySource(path, partial(read_array, path, key, beside))
        require_at_most(path, math.prod(source.shape[1:]), MAX_VALUES, "values in a signal")
        if len(source.shape) < 2:
            raise GonkitError(f"{path}: wanted (N, *grid) or (N, *grid, C) for N signals; got {source.shape}")
    else:
        folder = LabeledFolder.find(path, (".npy",), "arrays", label, ["an .npy, .npz, .h5 or .zarr file"])
        folder.note([], skip=False)
        source = ArraySource(path, partial(_Folder, folder.paths), folder)
    if source.dtype.kind not in NUMBERS:
        raise GonkitError(f"{path}: holds {source.dtype}, and real numbers are wanted")
    return source


def read_array(path: Path, key: str = "", beside: Sequence[str] = ()) -> Any:
    """An array of a file, opened without reading it where its format allows that; arguments as in `open_source`.

    Raises:
        GonkitError: no such file or array, or one that cannot be read.
    """
    with reading(path, path.suffix):
        path.stat()  # which says it where there is no such file
        if path.suffix.lower() == ".npy":
            return numpy.lib.format.open_memmap(path, mode="r")
        if path.suffix.lower() == ".zarr":
            return _open_zarr(path, key, beside)
        name = _choose_key(path, key, array_keys(path), beside)
        return read_arrays(path, path.suffix, [name])[name] if path.suffix.lower() == ".npz" else HDF5Rows(path, name)


def array_keys(path: Path) -> list[str]:
    """Names of the arrays beside which labels and splits may lie; none for .npy files and folders."""
    with reading(path, path.suffix):
        match path.suffix.lower():
            case ".npz":
                with zipfile.ZipFile(path) as file:
                    return [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
            case ".zarr":
                return sorted(name for name, _ in _zarr_group(path).arrays())
            case ".h5" | ".hdf5":
                return HDF5Rows.names(path)
        return []


class _Folder:
    """Files of one signal each, as rows; all are checked to have one shape."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        first = read_array(paths[0])
        self.shape, self.dtype = (len(paths), *first.shape), first.dtype

    def __getitem__(self, number: int) -> Array:
        array: Array = read_array(self.paths[number])
        if array.shape != self.shape[1:] or array.dtype.kind not in NUMBERS:
            raise GonkitError(
                f"{self.paths[number]}: {array.dtype} of shape {array.shape}; {self.paths[0].name} has the shape "
                f"{self.shape[1:]}, and all signals of a folder must have one"
            )
        return array


def _choose_key(path: Path, key: str, known: Sequence[str], beside: Sequence[str]) -> str:
    if key in known:
        return key
    candidates = [name for name in known if name not in beside]
    if not key and (len(candidates) == 1 or "values" in candidates):
        return "values" if "values" in candidates else candidates[0]
    listed = ", ".join(known) or "none"
    wanted = f"no array {key!r} in it{did_you_mean(key, known)}" if key else "several arrays: choose one by signal.key"
    raise GonkitError(f"{path}: {wanted}; there are {listed}")


def _zarr_group(path: Path) -> Any:
    try:
        import zarr
    except ImportError:
        raise GonkitError(f"{path}: reading Zarr needs the package zarr: pip install 'gonkit[zarr]'") from None
    return zarr.open(path, mode="r")


def _open_zarr(path: Path, key: str, beside: Sequence[str]) -> Any:
    group = _zarr_group(path)
    if hasattr(group, "dtype"):  # an array itself
        return group
    return group[_choose_key(path, key, sorted(name for name, _ in group.arrays()), beside)]
