"""Files of values at points: an .npz of one signal, or a table of many in HDF5, Parquet or CSV."""

from __future__ import annotations

__all__ = ["SUFFIXES", "Columns", "Measurements", "guess_columns", "read_measurements", "write_measurements"]

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy

from gonkit.errors import GonkitError, reading
from gonkit.files import atomic_path, read_arrays
from gonkit.imports import did_you_mean
from gonkit.limits import MAX_VALUES, require_at_most

SUFFIXES = frozenset({".npz", ".h5", ".hdf5", ".parquet", ".csv"})
PARTS = ("coords", "values", "mask", "signal", "label")  # arrays of .npz and HDF5 files

Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table.

    Attributes:
        coords: of the coordinates.
        values: of the values.
        signal: which says to which signal a row belongs.
        label: of the signals' classes; empty for none.
    """

    coords: tuple[str, ...]
    values: tuple[str, ...]
    signal: str
    label: str = ""


@dataclass(frozen=True)
class Measurements:
    """What was measured of one signal.

    Attributes:
        name: of the signal.
        coords: (P, D) float64, in units of their own.
        values: (P, C) float32, NaN where nothing was observed.
        rows: (P,) which rows of a table they are, or all points of a file of its own.
        label: its class; empty for none.
    """

    name: str
    coords: Array
    values: Array
    rows: Array
    label: str = ""


def guess_columns(path: Path, columns: Columns) -> Columns:
    """Columns with names filled in where `coords` or `values` are empty: numbered, or the rest of a table's.

    Raises:
        GonkitError: a file that cannot be read, or a table whose columns must be named.
    """
    if columns.coords and columns.values:
        return columns
    if path.suffix.lower() in (".parquet", ".csv"):
        known = [name for name in _read_table(path).column_names if name not in (columns.signal, columns.label)]
        raise GonkitError(
            f'{path}: say which columns are what, as in signal.coords = ["{known[0] if known else "x"}"] and '
            f'signal.values = ["{known[-1] if known else "value"}"]; there are {", ".join(known) or "none"}'
        )
    arrays = _read_arrays(path)
    with reading(path, path.suffix):
        dims, channels = (_as_columns(arrays[part]).shape[1] for part in ("coords", "values"))
    numbered = tuple(f"channel {number}" for number in range(channels))
    return replace(
        columns,
        coords=columns.coords or tuple(f"coordinate {number}" for number in range(dims)),
        values=columns.values or (("value",) if channels == 1 else numbered),
    )


def read_measurements(path: Path, columns: Columns) -> list[Measurements]:
    """The signals of a file, in the order of their first rows.

    An .npz file holds one signal: `coords` (P, D) or (P,), `values` (P, C) or (P,), and perhaps `mask` (P,) or (P, C),
    True where observed. An HDF5 file holds the same for the points of many signals, with `signal` (P,), and perhaps
    `label` (P,). Parquet and CSV have a column for each.

    Raises:
        GonkitError: a file that cannot be read, columns that are missing, shapes that do not fit together, or
            coordinates that are not finite.
    """
    with reading(path, path.suffix):
        return _measurements(path, columns)


def _measurements(path: Path, columns: Columns) -> list[Measurements]:
    arrays = _read_columns(path, columns) if path.suffix.lower() in (".parquet", ".csv") else _read_arrays(path)
    coords, values = (_as_columns(arrays[part]) for part in ("coords", "values"))
    for part, array, names in (("coords", coords, columns.coords), ("values", values, columns.values)):
        if array.dtype.kind not in "biuf":
            raise GonkitError(f"{path}: {part}: wanted numbers; got {array.dtype}")
        if array.shape[1:] != (len(names),):
            raise GonkitError(f"{path}: {part}: wanted (P, {len(names)}), {', '.join(names)}; got {array.shape}")
    if len(coords) != len(values) or not len(values):
        raise GonkitError(f"{path}: {len(coords)} coords and {len(values)} values; wanted as many, and at least one")
    if (bad := ~numpy.isfinite(coords).all(1)).any():
        raise GonkitError(f"{path}: coords: {bad.sum()} points are not finite, the first in row {int(bad.argmax())}")
    values = values.astype(numpy.float32)
    if numpy.isinf(values).any():
        raise GonkitError(f"{path}: values: {numpy.isinf(values).sum()} are infinite; mark what is missing by NaN")
    if "mask" in arrays:
        mask = _as_columns(arrays["mask"]).astype(bool)
        if mask.shape not in (values.shape, (len(values), 1)):
            raise GonkitError(f"{path}: mask: wanted ({len(values)},) or {values.shape}; got {arrays['mask'].shape}")
        values = numpy.where(mask, values, numpy.nan)
    for part in ("signal", "label"):
        if part in arrays and (arrays[part].shape != (len(values),) or arrays[part].dtype.kind not in "biufSUOMm"):
            got = f"{arrays[part].dtype} {arrays[part].shape}"
            raise GonkitError(f"{path}: {part}: wanted ({len(values)},) numbers or words; got {got}")
    groups = _groups(arrays["signal"]) if "signal" in arrays else {path.stem: numpy.arange(len(values))}
    labels = arrays.get("label")
    return [
        Measurements(
            name, coords[rows].astype(float), values[rows], rows, "" if labels is None else _text(labels[rows[0]])
        )
        for name, rows in groups.items()
    ]


def write_measurements(source: Path, columns: Columns, values: Array, target: Path) -> None:
    """Writes a copy of a file with other values (rows of the file, C), in the same format; a mask is left out."""
    suffix = source.suffix.lower()
    with atomic_path(target) as temporary:
        if suffix == ".npz":
            arrays = _read_arrays(source)
            numpy.savez(temporary, coords=arrays["coords"], values=values.reshape(arrays["values"].shape))
        elif suffix in (".h5", ".hdf5"):
            shutil.copyfile(source, temporary)
            with h5py.File(temporary, "r+") as file:
                shape = file["values"].shape
                del file["values"]
                file["values"] = values.reshape(shape)
                if "mask" in file:
                    del file["mask"]
        else:
            _write_table(source, columns, values, temporary)


def _groups(signal: Array) -> dict[str, Array]:
    """Rows of each signal, by its name, in the order of their first rows."""
    _, first, inverse = numpy.unique(signal, return_index=True, return_inverse=True)
    order = numpy.argsort(inverse, kind="stable")
    parts = numpy.split(order, numpy.cumsum(numpy.bincount(inverse))[:-1])
    return {_text(signal[first[number]]): parts[number] for number in numpy.argsort(first)}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _as_columns(array: Array) -> Array:
    return array[:, None] if array.ndim == 1 else array


def _read_arrays(path: Path) -> Mapping[str, Array]:
    """Arrays of an .npz or HDF5 file."""
    arrays = read_arrays(path, path.suffix, PARTS)
    needed = ("coords", "values") if path.suffix.lower() == ".npz" else ("coords", "values", "signal")
    if absent := [part for part in needed if part not in arrays]:
        raise GonkitError(
            f"{path}: no array {absent[0]!r} in it; there are {', '.join(arrays) or 'none of those known'}"
        )
    return arrays


def _read_columns(path: Path, columns: Columns) -> Mapping[str, Array]:
    """The same of a Parquet or CSV file; empty cells are NaN."""
    table = _read_table(path)

    def column(name: str) -> Array:
        if name not in table.column_names:
            listed = ", ".join(table.column_names)
            raise GonkitError(f"{path}: no column {name!r}{did_you_mean(name, table.column_names)}; there are {listed}")
        array: Array = table[name].to_numpy()
        return array

    arrays = {
        "coords": numpy.stack([column(name) for name in columns.coords], 1),
        "values": numpy.stack([column(name) for name in columns.values], 1),
        "signal": column(columns.signal),
    }
    return arrays | ({"label": column(columns.label)} if columns.label else {})


def _read_table(path: Path) -> Any:
    try:
        from pyarrow import csv, parquet
    except ImportError:
        raise GonkitError(f"{path}: reading tables needs pyarrow: pip install 'gonkit[tables]'") from None
    with reading(path, path.suffix):
        path.stat()  # which says it where there is no such file
        if path.suffix.lower() == ".csv":
            return csv.read_csv(path)
        with parquet.ParquetFile(path) as file:
            require_at_most(path, file.metadata.num_rows * file.metadata.num_columns, MAX_VALUES, "values")
            return file.read()


def _write_table(source: Path, columns: Columns, values: Array, target: Path) -> None:
    import pyarrow
    from pyarrow import csv, parquet

    table = _read_table(source)
    for number, name in enumerate(columns.values):
        table = table.set_column(table.column_names.index(name), name, pyarrow.array(values[:, number]))
    if source.suffix.lower() == ".csv":
        csv.write_csv(table, target)
    else:
        parquet.write_table(table, target)
