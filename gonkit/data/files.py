"""Files of a signal type: one signal per file, or a file of any size read and written piece by piece."""

from __future__ import annotations

__all__ = ["BufferedWriter", "SignalFiles", "SignalReader", "SignalWriter"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy
import torch
from torch import Tensor

from gonkit.batch import Sample
from gonkit.errors import GonkitError
from gonkit.files import atomic_path

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

ToObject = Callable[[Tensor, int | None], Any]


class SignalReader(ABC):
    """A file at its full extent, read forward along its first axis.

    Attributes:
        shape: points along each axis.
        num_tracks: T, signals side by side on those points, each encoded separately.
        resolution: at which the points lie, as `Signal.grid` counts it.
    """

    shape: tuple[int, ...]
    num_tracks: int = 1
    resolution: int

    @abstractmethod
    def read(self, count: int) -> Tensor:
        """The next `count` points along the first axis, (T, count, *rest, C)."""


class SignalWriter(ABC):
    """A file being written, forward along its first axis."""

    @abstractmethod
    def write(self, values: Tensor) -> None:
        """Appends values (T, count, *rest, C)."""

    @abstractmethod
    def close(self) -> Path:
        """Completes the file and returns its path."""

    @abstractmethod
    def abort(self) -> None:
        """Removes what was written, after a failure."""


class BufferedWriter(SignalWriter):
    """Keeps all values until the end and then hands them to a function.

    Args:
        save: writes values (*shape, C) and returns the file's path.
    """

    def __init__(self, save: Callable[[Tensor], Path]) -> None:
        self.save = save
        self.parts: list[Tensor] = []

    def write(self, values: Tensor) -> None:
        self.parts.append(values)

    def close(self) -> Path:
        (values,) = torch.cat(self.parts, 1)
        return self.save(values)

    def abort(self) -> None:
        self.parts.clear()


class SignalFiles:
    """Reads and writes the files of a signal type. By default objects are arrays, saved as .npy, or pictured as .png.

    Args:
        to_object: the signal type's `to_object`.
        preview: the signal type's `preview`.

    Class attributes:
        read_suffixes: lower-case suffixes that `load` reads.
        write_suffixes: suffixes that `save` writes, the default one first.
    """

    read_suffixes: ClassVar[frozenset[str]] = frozenset()
    write_suffixes: ClassVar[tuple[str, ...]] = (".npy", ".png")

    def __init__(self, to_object: ToObject, preview: Callable[[Any], Picture]) -> None:
        self.to_object, self.preview = to_object, preview

    @final
    def path(self, stem: Path, suffix: str | None = None) -> Path:
        """The path of a file to write: `stem` with a suffix, by default the first of `write_suffixes`."""
        return stem.with_name(stem.name + (suffix or self.write_suffixes[0]))

    def load(self, path: Path) -> Sample:
        """Reads a file as one signal of the training size.

        Raises:
            GonkitError: the file cannot be read.
        """
        raise GonkitError(f"{path}: signals of this type are not read from files")

    def load_all(self, path: Path) -> list[Sample]:
        """Reads all signals of a file; one, where files of a type hold no more.

        Raises:
            GonkitError: the file cannot be read.
        """
        return [self.load(path)]

    def from_object(self, obj: Any) -> Sample:
        """An object, such as `to_object` makes, as one signal of the training size.

        Raises:
            GonkitError: something else.
        """
        raise GonkitError(f"a {type(obj).__name__} is no signal of this type; give a file, or numbers on its grid")

    def save(self, obj: Any, stem: Path, suffix: str | None = None) -> Path:
        """Writes an object to `path(stem, suffix)`, atomically, and returns the path.

        Raises:
            GonkitError: this object cannot be written.
        """
        path = self.path(stem, suffix)
        with atomic_path(path) as temporary:
            if path.suffix == ".npy":
                numpy.save(temporary, numpy.asarray(obj), allow_pickle=False)
            else:
                self.preview(obj).save(temporary)
        return path

    def save_at_points(self, values: Sequence[Tensor], source: Path, stem: Path) -> Path | None:
        """Writes predictions (P, C) at the very points of a file's signals, in the file's format.

        None, for a type of which objects are written instead.
        """
        return None

    def open(self, path: Path) -> SignalReader | None:
        """A file of any size, to be encoded window by window; None where `load` is the only way to read it.

        Raises:
            GonkitError: the file cannot be read.
        """
        return None

    def create(self, stem: Path, reader: SignalReader, resolution: int, suffix: str | None = None) -> SignalWriter:
        """A writer for the reconstruction, at a resolution, of the file behind `reader`."""
        return BufferedWriter(lambda values: self.save(self.to_object(values, resolution), stem, suffix))

    def inspect(self, path: Path) -> Mapping[str, str]:
        """What `gonkit check` prints about a file, by column; `verdict` is "good" or advice.

        Raises:
            GonkitError: the file cannot be used.
        """
        self.load(path)
        return {"verdict": "good"}
