"""Files that are written completely or not at all, and arrays and tensors that are never unpickled."""

from __future__ import annotations

__all__ = [
    "atomic_path",
    "hdf5_dataset",
    "hdf5_names",
    "open_hdf5",
    "printable",
    "read_arrays",
    "read_json",
    "read_tensors",
    "write_bytes",
    "write_json",
    "write_tensors",
]

import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from safetensors.torch import load, save
from torch import Tensor

from gonkit.errors import GonkitError, reading
from gonkit.limits import MAX_VALUES, require_at_most, require_bytes

if TYPE_CHECKING:
    import h5py


@contextmanager
def atomic_path(path: Path, keep: Path | None = None) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends, in one step and synced to disk.

    A process that is killed leaves the old file or the new one, never a part of it; an exception leaves the old one.
    The temporary name is unique, hidden, and keeps the suffix, from which many libraries choose the format. Missing
    folders are made.

    Args:
        path: of the file.
        keep: where the old file is kept; None to drop it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_path(folder / "notes.txt") as temporary:
        ...     _ = temporary.write_text("complete")
        >>> [file.name for file in folder.iterdir()]
        ['notes.txt']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(6)}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Writes a whole file atomically; the old one is kept as `keep`, if that is given."""
    with atomic_path(path, keep) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Writes a value as indented JSON, atomically."""
    write_bytes(path, json.dumps(value, indent=2).encode())


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any], keep: Path | None = None
) -> None:
    """Writes tensors, and metadata as JSON, to one safetensors file that holds a digest of both.

    Equal tensors and metadata give equal bytes. The old file is kept as `keep`, if that is given.
    """
    flat = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    content = save(flat, metadata={key: json.dumps(value) for key, value in metadata.items()})
    header, data = _split_content(content)
    header.setdefault("__metadata__", {})["digest"] = _digest(header, data)
    text = _canonical(header)  # metadata come from safetensors in random order
    text += b" " * (-len(text) % 8)
    write_bytes(path, len(text).to_bytes(8, "little") + text + data, keep)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads the tensors and metadata that `write_tensors` wrote.

    Raises:
        DamagedFileError: not a file that gonkit wrote, or one that was changed since.
        GonkitError: no such file.
    """
    with reading(path, "a file that gonkit wrote"):
        content = path.read_bytes()
        header, data = _split_content(content)
        stored = header.get("__metadata__", {})
        digest = stored.pop("digest", None)  # files of earlier versions have none
        if digest is not None and digest != _digest(header, data):
            raise ValueError("it is damaged: its digest is that of other contents")
        return load(content), {key: json.loads(value) for key, value in stored.items()}


def read_json(path: Path, what: str, fix: str = "") -> dict[str, Any]:
    """Reads a JSON object; `what` and `fix` are for messages.

    Raises:
        GonkitError: no such file, or no object in it.
    """
    with reading(path, what, fix):
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise TypeError(f"a {type(value).__name__}, where an object is wanted")
    return value


def read_arrays(path: Path, what: str, names: Collection[str] | None = None) -> dict[str, numpy.ndarray[Any, Any]]:
    """Reads arrays of an .npz or HDF5 file by their names; text as str. Nothing is unpickled.

    Args:
        path: of the file, whose suffix tells its format.
        what: it should be, for messages.
        names: of the arrays to read, those that are missing left out; None for all.

    Raises:
        GonkitError: no such file, one that cannot be read, or one that declares more than `gonkit.limits` allow.
    """
    with reading(path, what):
        if path.suffix.lower() != ".npz":
            with open_hdf5(path, what) as file:
                wanted = hdf5_names(file) if names is None else names
                found = {name: part for name in wanted if (part := hdf5_dataset(file, name)) is not None}
                require_bytes(path, sum(part.size * part.dtype.itemsize for part in found.values()))
                return {name: _hdf5_values(path, part) for name, part in found.items()}
        with zipfile.ZipFile(path) as archive:
            require_bytes(path, sum(member.file_size for member in archive.infolist()))
            known = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            arrays = {}
            for name in known if names is None else [name for name in names if name in known]:
                with archive.open(f"{name}.npy") as member:
                    arrays[name] = numpy.lib.format.read_array(member, allow_pickle=False)
                require_at_most(path, arrays[name].size, MAX_VALUES, f"values in {name}")
            return arrays


@contextmanager
def open_hdf5(path: Path, what: str = "an HDF5 file") -> Iterator[h5py.File]:
    """An HDF5 file that is open for reading; take what is in it by `hdf5_dataset`. `what` is for messages.

    Raises:
        GonkitError: it cannot be read; also inside the block.
    """
    import h5py

    with reading(path, what), h5py.File(path, "r") as file:
        yield file


def hdf5_dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """A dataset by its name, which may be in groups; None if there is none.

    Raises:
        GonkitError: it lies in another file, to which links, external storage or a virtual dataset lead: a file of data
            must not make gonkit open others.
    """
    import h5py

    item: Any = file
    for part in name.split("/"):
        if not isinstance(item, h5py.Group) or not item.id.links.exists(part.encode()):
            return None
        if item.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            raise GonkitError(f"{file.filename}: {name} is a link; write the values themselves into the file")
        item = item[part]
    if not isinstance(item, h5py.Dataset):
        return None
    if item.external or item.is_virtual:
        raise GonkitError(f"{file.filename}: {name} is stored in another file; write its values into this one")
    return item


def printable(text: str) -> str:
    r"""Text that can be written anywhere, in one line: escapes for control characters and bytes that are not UTF-8.

    Example:
        >>> print(printable("caf\udce9 1\n.png"), printable("café"))
        caf\udce9 1\n.png café
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def hdf5_names(file: h5py.File) -> list[str]:
    """Names of all datasets, those in groups too, and of no links."""
    import h5py

    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names


def _hdf5_values(path: Path, dataset: h5py.Dataset) -> numpy.ndarray[Any, Any]:
    import h5py

    require_at_most(path, dataset.size, MAX_VALUES, f"values in {dataset.name}")
    text = h5py.check_string_dtype(dataset.dtype) is not None
    return numpy.asarray(dataset.asstr()[()] if text else dataset[()])


def _split_content(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a safetensors file."""
    start = 8 + int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8:start])
    return header, content[start:]


def _canonical(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


def _digest(header: Mapping[str, Any], data: bytes) -> str:
    digest = hashlib.sha256(_canonical(header))
    digest.update(data)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Makes the renaming itself durable, where the system lets folders be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
