"""Arrays written to files of every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    """Writes an array to a file of a suffix; returns its path."""

    def write(array: Any, suffix: str = ".npy", name: str = "values", **beside: Any) -> str:
        path = tmp_path / f"data{suffix}"
        if suffix == ".npy":
            numpy.save(path, array)
        elif suffix == ".npz":
            numpy.savez(path, **{name: array}, **beside)
        elif suffix == ".h5":
            with h5py.File(path, "w") as file:
                for key, value in {name: array, **beside}.items():
                    file[key] = [str(x) for x in value] if numpy.asarray(value).dtype.kind == "U" else value
        else:
            zarr = pytest.importorskip("zarr", reason="zarr is not installed")
            group = zarr.open_group(path, mode="w")
            for key, value in {name: array, **beside}.items():
                group.create_array(key, data=numpy.asarray(value))
        return str(path)

    return write
