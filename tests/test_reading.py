"""The frame around readers, and limits on what files declare."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import h5py
import numpy
import pytest

from gonkit.data import Grid, HDF5Rows
from gonkit.errors import DamagedFileError, GonkitError, reading
from gonkit.files import printable, read_arrays, read_json
from gonkit.limits import FREE_BYTES, MAX_VALUES, require_at_most, require_bytes

FAULTS = (
    KeyError("points"),
    struct.error("unpack requires 4 bytes"),
    EOFError(),
    RuntimeError("decoder\n   lost   sync"),
    MemoryError(),
    RecursionError("too deep"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    zipfile.BadZipFile("no zip"),
    json.JSONDecodeError("no value", "", 0),
    IsADirectoryError(21, "Is a directory"),
    AssertionError(),
    TypeError("x" * 1000),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_every_fault_becomes_one_line_that_names_the_file(fault: Exception) -> None:
    with pytest.raises(DamagedFileError) as caught, reading(Path("a/b.dat"), "a table", "remove it"):
        raise fault
    message = str(caught.value)
    assert message.startswith("a/b.dat: cannot be read as a table: ")
    assert message.endswith("; remove it")
    assert "\n" not in message
    assert len(message) < 400
    assert caught.value.__cause__ is fault


def test_mistakes_that_are_explained_and_interruptions_pass() -> None:
    for error in (GonkitError("explained"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, reading(Path("x"), "a table"):
            raise error
        assert caught.value is error
    with pytest.raises(GonkitError, match=r"^none: cannot be read as a table: there is no such file$") as absent:
        read_json(Path("none"), "a table")
    assert not isinstance(absent.value, DamagedFileError)


def test_limits_are_told() -> None:
    require_at_most("x", MAX_VALUES, MAX_VALUES, "values")
    for count in (MAX_VALUES + 1, -1):
        with pytest.raises(GonkitError, match=r"x: declares -?[\d,]+ values; the limit is 1,073,741,824; cut it"):
            require_at_most("x", count, MAX_VALUES, "values", "cut it")
    with pytest.raises(GonkitError, match=r"a grid of shape \(100000, 100000\): declares 20,000,000,000 coordinates"):
        Grid.centers(100_000, 100_000)


def test_a_small_file_cannot_hold_much(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:  # nothing of it is stored
        file.create_dataset("values", (1 << 20, 1 << 10), "f4", chunks=(1, 1 << 10))
    assert path.stat().st_size < 10_000
    for read in (lambda: read_arrays(path, "arrays"), lambda: HDF5Rows(path, "values")):
        with pytest.raises(GonkitError, match=r"x\.h5: declares 4,294,967,296 bytes in a file of its size; the limit"):
            read()
    require_bytes(path, FREE_BYTES)
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("values.npy", bytes(FREE_BYTES + 1))
    with pytest.raises(GonkitError, match=r"x\.npz: declares 67,108,865 bytes in a file of its size"):
        read_arrays(path, "arrays")


def test_hdf5_files_never_lead_to_others(tmp_path: Path) -> None:
    secret, path = tmp_path / "secret.h5", tmp_path / "x.h5"
    with h5py.File(secret, "w") as file:
        file["values"] = numpy.arange(6.0)
    layout = h5py.VirtualLayout((6,), "f8")
    layout[:] = h5py.VirtualSource(secret, "values", (6,))
    with h5py.File(path, "w") as file:
        file["own/values"] = numpy.arange(3.0)
        file["link"] = h5py.ExternalLink(secret, "values")
        file["group"] = h5py.ExternalLink(secret, "/")
        file["soft"] = h5py.SoftLink("/link")
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("stored", (6,), "f8", external=[(secret, 0, 48)])
    for name, reason in (
        ("link", "is a link"),
        ("group/values", "is a link"),
        ("soft", "is a link"),
        ("virtual", "is stored in another file"),
        ("stored", "is stored in another file"),
    ):
        for read in (lambda name=name: read_arrays(path, "arrays", [name]), lambda name=name: HDF5Rows(path, name)):
            with pytest.raises(GonkitError, match=f"{name} {reason}"):
                read()
    assert read_arrays(path, "arrays", ["own/values", "none", "own/none"])["own/values"].tolist() == [0, 1, 2]
    assert HDF5Rows(path, "own/values").shape == (3,)


def test_arrays_are_read_with_text_and_never_unpickled(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "x.npz", names=numpy.array(["a", "ä"]))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["names"] = ["a", "ä"]
    for name in ("x.npz", "x.h5"):
        assert read_arrays(tmp_path / name, "arrays")["names"].tolist() == ["a", "ä"]
    numpy.savez(tmp_path / "y.npz", names=numpy.array([object()]))
    with pytest.raises(DamagedFileError, match=r"y\.npz: cannot be read as arrays: .*allow_pickle"):
        read_arrays(tmp_path / "y.npz", "arrays")


@pytest.mark.parametrize("text", ["caf\udce9", "two\nlines", "\x1b[2J", "\ud800", "a\tb\u2028", ""])
def test_printable_text_can_be_written_in_one_line(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()
    assert printable("né ä 日本 ☃") == "né ä 日本 ☃"
