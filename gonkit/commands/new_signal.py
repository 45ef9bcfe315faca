"""gonkit new-signal: the files of a signal type to start from."""

from __future__ import annotations

__all__ = ["NEW_SIGNAL"]

import keyword
import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from gonkit.commands.command import Command
from gonkit.errors import GonkitError

if TYPE_CHECKING:
    import argparse

TEMPLATES = {"{name}.py": "signal.py", "{name}.toml": "signal.toml", "test_{name}.py": "test_signal.py"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="in lower case, as in wind or wind_field")


def _new_signal(options: argparse.Namespace) -> None:
    from gonkit.files import write_bytes

    name = options.name
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise GonkitError(f"{name!r}: expected a name in lower-case letters, digits and underscores, as in wind_field")
    paths = {Path(path.format(name=name)): template for path, template in TEMPLATES.items()}
    if existing := [str(path) for path in paths if path.exists()]:
        raise GonkitError(f"{', '.join(existing)}: there already; choose another name, or move them away")
    if find_spec(name) is not None:
        raise GonkitError(f"{name}: {name}.py would hide the module of that name; choose another")
    class_name = "".join(part.capitalize() for part in name.split("_"))
    for path, template in paths.items():
        text = (files("gonkit.commands") / "templates" / f"{template}.template").read_text()
        write_bytes(path, Template(text).substitute(name=name, Name=class_name).encode())
    print(
        f"{', '.join(map(str, paths))}: a signal type with made-up data, its recipe and its test. Next:\n"
        f"  gonkit check {name}.py:{class_name}\n"
        f"  gonkit run {name}.toml\n"
        f"  python -m pytest test_{name}.py"
    )


NEW_SIGNAL = Command(
    "new-signal", "Write a signal type to start from, with its recipe and test.", _add_arguments, _new_signal
)
