"""Finding what a recipe names: a class by `module:Class` or `file.py:Class`, and the nearest right word."""

from __future__ import annotations

__all__ = ["full_name", "import_named", "nearest"]

import importlib
import importlib.util
import sys
import zlib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from gonkit.signal import SignalError

T = TypeVar("T")


def nearest(word: str, known: Iterable[str]) -> str:
    """A suggestion to append to a message, empty when nothing is near.

    Example:
        >>> nearest("widht", ["width", "layers"])
        "; did you mean 'width'?"
    """
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def full_name(name: str, folder: Path | None = None) -> str:
    """`name` with its file, if it names one, as an absolute path: found again from anywhere.

    Args:
        name: `module:Class` or `file.py:Class`.
        folder: where the recipe lies; looked in first, then the working directory.

    Raises:
        SignalError: another form, or no such file.
    """
    where, colon, attribute = name.rpartition(":")
    if not colon or not attribute:
        raise SignalError(f"{name!r} must read 'module:Class' or 'file.py:Class'")
    if not where.endswith(".py"):
        return name
    places = [Path(where)] if Path(where).is_absolute() else [base / where for base in (folder, Path.cwd()) if base]
    path = next((place.resolve() for place in places if place.is_file()), None)
    if path is None:
        raise SignalError(f"no file {where}; looked for " + " and ".join(str(place) for place in places))
    return f"{path}:{attribute}"


def import_named(name: str, kind: type[T], folder: Path | None = None) -> type[T]:
    """The class that `module:Class` or `file.py:Class` names.

    Args:
        name: what the recipe says. Files are looked for in `folder`, then in the working directory.
        kind: what it must be a subclass of.
        folder: where the recipe lies.

    Raises:
        SignalError: no such module, file or class, or a class of another kind.
    """
    where, _, attribute = full_name(name, folder).rpartition(":")
    module = _file_module(Path(where)) if where.endswith(".py") else _module(where)
    found = getattr(module, attribute, None)
    if found is None:
        classes = [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, kind)]
        raise SignalError(f"{where} has no {attribute!r}{nearest(attribute, classes)}")
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise SignalError(f"{name} must be a subclass of gonkit's {kind.__name__}; it is {found!r}")
    return found


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise SignalError(f"there is no module {name!r}; a file of your own is named 'file.py:Class'") from None
        raise


def _file_module(path: Path) -> ModuleType:
    key = f"gonkit_user_{zlib.crc32(str(path).encode()):08x}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, path)
        if spec is None or spec.loader is None:
            raise SignalError(f"{path} cannot be imported as Python")
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module  # where pydantic looks up the annotations of the file's classes
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[key]
            raise
    return sys.modules[key]
