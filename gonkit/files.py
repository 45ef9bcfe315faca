"""Files that are written completely or not at all, and tensors that are never unpickled."""

from __future__ import annotations

__all__ = ["atomic_path", "read_tensors", "write_bytes", "write_json", "write_tensors"]

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from gonkit.errors import DamagedFileError, GonkitError


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
    try:
        content = path.read_bytes()
        header, data = _split_content(content)
        stored = header.get("__metadata__", {})
        digest = stored.pop("digest", None)  # files of earlier versions have none
        if digest is not None and digest != _digest(header, data):
            raise ValueError("its digest is that of other contents")
        return load(content), {key: json.loads(value) for key, value in stored.items()}
    except FileNotFoundError:
        raise GonkitError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError, AttributeError) as error:
        raise DamagedFileError(f"{path}: not a file that gonkit wrote, or damaged: {error}") from None


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
