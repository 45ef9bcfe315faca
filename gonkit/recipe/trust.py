"""Trust in stored recipes: whose they are, and whether the code that they name may be run.

A model file or a run folder may come from anyone. Recipes of runs that a user started are kept in mind, by their hash,
in the user's own state folder, and so is the content of the files of code that they name.
"""

from __future__ import annotations

__all__ = ["TaskSource", "is_own", "remember_recipe", "require_known_code", "trusting_code"]

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from gonkit.data import Task
from gonkit.errors import GonkitError
from gonkit.files import write_bytes
from gonkit.imports import is_imported, resolve_class_path

TaskSource = Task | type[Task] | str
"""What a user may give instead of a recipe's signal type."""
_TRUSTING = ContextVar("_TRUSTING", default=False)


@contextmanager
def trusting_code(trust: bool = True) -> Iterator[None]:
    """Inside, stored recipes are taken as the user's own, whoever made them; with `trust=False` nothing changes."""
    token = _TRUSTING.set(_TRUSTING.get() or trust)
    try:
        yield
    finally:
        _TRUSTING.reset(token)


def is_own(text: str) -> bool:
    """Whether a stored recipe is that of a run that this user started, or is to be taken as such."""
    return _TRUSTING.get() or _is_known(text.encode())


def remember_recipe(text: str) -> None:
    """Keeps in mind that a run's recipe is the user's own, and what the files of code hold that it names.

    Where the user's state folder cannot be written, nothing is kept, and the run is opened like someone else's.
    """
    contents = [text.encode()]
    for key, name in _named_classes(tomllib.loads(text)):
        with suppress(GonkitError, OSError):
            contents += [path.read_bytes()] if (path := _file(key, name, None)) else []
    with suppress(OSError):
        for content in contents:
            if not _is_known(content):
                write_bytes(_mark(content), b"")


def require_known_code(text: str, *, source: str, folder: Path | None, signal: TaskSource | None) -> None:
    """Checks, before anything is imported, that a stored recipe names only code that may be run.

    That are classes of installed packages that register signal types; modules that are in memory already; files whose
    content a run of the user's own has used; and what a recipe of the user's own names, where it is as it was named.

    Args:
        text: of the recipe, TOML.
        source: what messages call it.
        folder: where the signal type's file is looked for first.
        signal: what the user gives instead of the recipe's: a class instead of its `type`, or all of its table.

    Raises:
        GonkitError: it names other code; the message says which, and what to do.
    """
    if _TRUSTING.get():
        return
    own, unknown = is_own(text), []
    for key, name in _named_classes(tomllib.loads(text)):
        given = key.startswith("signal") if isinstance(signal, Task) else key == "signal.type" and signal is not None
        if not given and (code := _unknown_code(key, name, folder, own)):
            unknown.append(f"\n  {key}: {code}")
    if unknown:
        raise GonkitError(
            f"{source}: opening this would run code that no run of yours has used, and code may do anything"
            + "".join(unknown)
            + "\nread it first; if you trust it, allow it with --trust-code, or trust_code=True in gonkit.load"
        )


def _unknown_code(key: str, name: str, folder: Path | None, own: bool) -> str:
    """What naming a class would run that may not be run; empty if nothing."""
    module = name.rpartition(":")[0]
    try:
        path = _file(key, name, folder)
    except GonkitError:  # nothing can be run: the import says what is wrong
        return ""
    if path is None:
        return "" if own or is_imported(module) or _is_registered(module) else f"the module {module}"
    if (own and str(path) == module) or is_imported(str(path)):
        return ""
    with suppress(OSError):
        if _is_known(path.read_bytes()):
            return ""
    return f"the file {path}"


def _file(key: str, name: str, folder: Path | None) -> Path | None:
    """The file that a class path names, found as the import finds it; None if it names a module."""
    module = resolve_class_path(name, folder if key == "signal.type" else None).rpartition(":")[0]
    return Path(module) if module.endswith(".py") else None


def _is_registered(module: str) -> bool:
    """Whether a module belongs to an installed package that registers signal types."""
    package, *parts = module.split(".")
    packages = {entry.module.partition(".")[0] for entry in entry_points(group="gonkit.signals")}
    return package in packages and not any(part.startswith("__") for part in parts)


def _named_classes(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys and class paths of all code that a recipe names: signal types, nested ones too, and losses."""
    yield from _named_types("signal", table.get("signal"))
    loss = table.get("loss")
    if isinstance(loss, Mapping):
        outer = loss.get("outer")
        named = [("loss.inner", loss.get("inner")), *(("loss.outer", name) for name in outer or () if outer)]
        yield from ((key, name) for key, name in named if isinstance(name, str) and ":" in name)


def _named_types(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name == "type" and isinstance(part, str) and ":" in part:
                yield f"{key}.type", part
            else:
                yield from _named_types(f"{key}.{name}", part)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _named_types(f"{key}[{number}]", part)


def _mark(content: bytes) -> Path:
    return user_state_path("gonkit", appauthor=False) / "trusted" / hashlib.sha256(content).hexdigest()


def _is_known(content: bytes) -> bool:
    try:
        return _mark(content).is_file()
    except OSError:  # a state folder that may not be read
        return False
