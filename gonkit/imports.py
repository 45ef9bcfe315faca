"""Imports a class that a recipe names as `module:Class` or `file.py:Class`, and suggests the nearest known name."""

from __future__ import annotations

__all__ = ["did_you_mean", "import_class", "is_imported", "resolve_class_path"]

import importlib.util
import os
import sys
import zlib
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from gonkit.errors import GonkitError, failures_named

T = TypeVar("T")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion to append to a message; empty if no known word is similar.

    Example:
        >>> did_you_mean("widht", ["width", "layers"])
        "; did you mean 'width'?"
    """
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def resolve_class_path(name: str, folder: Path | None = None) -> str:
    """`name` with its file, if it names one, as an absolute path, so that it is found from any working directory.

    Args:
        name: `module:Class` or `file.py:Class`.
        folder: of the recipe; files are looked for there first, then in the working directory. A file whose absolute
            path is gone is looked for in both, and up to three folders above the first, as a run lies in its project.

    Raises:
        GonkitError: a name of another form, or no such file; the message says where it was looked for.
    """
    module, colon, attribute = name.rpartition(":")
    if not colon or not attribute:
        raise GonkitError(f"{name!r} must read 'module:Class' or 'file.py:Class'")
    if not module.endswith(".py"):
        return name
    folders = [] if folder is None else [folder.resolve()]
    candidates = [base / module for base in (*folders, Path.cwd())]
    if Path(module).is_absolute():
        above = [parent for base in folders for parent in base.parents[:3]]
        candidates = [Path(module), *(base / Path(module).name for base in (*folders, *above, Path.cwd()))]
    candidates = list(dict.fromkeys(candidates))
    path = next((candidate.resolve() for candidate in candidates if candidate.is_file()), None)
    if path is None:
        moved = "; if it moved, name it with --signal FILE.py:CLASS or signal= where a run is opened"
        looked = " and ".join(str(candidate) for candidate in candidates)
        raise GonkitError(f"no file {module}; looked for {looked}" + (moved if Path(module).is_absolute() else ""))
    return f"{path}:{attribute}"


def import_class(name: str, base: type[T], folder: Path | None = None) -> type[T]:
    """The class that `module:Class` or `file.py:Class` names.

    Args:
        name: as in a recipe. Files are looked for in `folder`, then in the working directory.
        base: a class of which it must be a subclass.
        folder: of the recipe.

    Raises:
        GonkitError: no such module, file or class; a class that is no subclass of `base` or lacks members that must be
            defined; or an exception in the module or file, with its line.
    """
    _import_installed_types()
    module_name, _, attribute = resolve_class_path(name, folder).rpartition(":")
    with failures_named(f"importing {name}"):
        module = _import_file(Path(module_name)) if module_name.endswith(".py") else _import_module(module_name)
    result = getattr(module, attribute, None)
    if result is None:
        classes = [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, base)]
        if module_name == "__main__":
            raise GonkitError(
                f"{attribute} was defined in a notebook or script, which is not known here; pass the class with "
                "signal=, or keep it in a file and name that with --signal FILE.py:CLASS"
            )
        raise GonkitError(f"{module_name} has no {attribute!r}{did_you_mean(attribute, classes)}")
    if not (isinstance(result, type) and issubclass(result, base)):
        raise GonkitError(f"{name} must be a subclass of gonkit's {base.__name__}; it is {result!r}")
    if missing := sorted(getattr(result, "__abstractmethods__", ())):
        similar = (did_you_mean(member, vars(result)) for member in missing)
        raise GonkitError(f"{name} lacks {', '.join(missing)}, which it must define{''.join(similar)}")
    return result


def is_imported(module: str) -> bool:
    """Whether a module, or the file of an absolute path, is in memory, so that naming a class of it runs nothing."""
    return (_file_key(Path(module)) if module.endswith(".py") else module) in sys.modules


@cache
def _import_installed_types() -> None:
    """Imports the packages of installed signal types from where gonkit lies, so that a user's file cannot hide them.

    `python -m` looks for every module in the working directory first, and a file of signal types may well have the name
    of such a package.
    """
    folder = str(Path(__file__).parents[1])
    for package in {entry.module.partition(".")[0] for entry in entry_points(group="gonkit.signals")}:
        spec = PathFinder.find_spec(package, [folder])
        if spec is None or spec.loader is None or spec.origin == getattr(sys.modules.get(package), "__file__", None):
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules[package] = module
        spec.loader.exec_module(module)


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise GonkitError(f"there is no module {name!r}; a file of your own is named 'file.py:Class'") from None
        raise


def _import_file(path: Path) -> ModuleType:
    key = _file_key(path)
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, path)
        if spec is None or spec.loader is None:
            raise GonkitError(f"{path} cannot be imported as Python")
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module  # pydantic looks up the annotations of the file's classes here
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[key]
            raise
    return sys.modules[key]


def _file_key(path: Path) -> str:
    """How `sys.modules` calls a user's file."""
    return f"gonkit_user_{zlib.crc32(os.fsencode(path)):08x}"
