"""What a command is, and the types of arguments that several share."""

from __future__ import annotations

__all__ = [
    "Command",
    "add_data_arguments",
    "add_model_arguments",
    "add_object_arguments",
    "add_override_argument",
    "add_trust_argument",
    "box",
    "natural",
    "overlap",
    "positive",
    "resolution",
    "share",
    "shares",
]

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Command(NamedTuple):
    """A subcommand of `gonkit`.

    Attributes:
        name: on the command line.
        description: one sentence.
        add_arguments: adds its arguments to a parser.
        run: does it, given the parsed arguments; returns an exit code, or None for success.
    """

    name: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of commands that use a trained model."""
    parser.add_argument("run", type=Path, help="a run folder or a model file")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto (default)")
    parser.add_argument(
        "--signal", metavar="FILE.py:CLASS", help="the signal type, where its file has moved and is not found"
    )
    parser.add_argument(
        "--data", metavar="FOLDER", help="where the run's data is now (default: the recipe's signal.data)"
    )
    add_trust_argument(parser)
    parser.add_argument(
        "--refine", type=natural, metavar="N", help="refine latents by N steps (default: the recipe's latent.refine)"
    )


def add_override_argument(parser: argparse.ArgumentParser, example: str) -> None:
    """The argument of commands that take a recipe, for keys that differ from it; `example` is one."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help=f"override a key of the recipe, as in {example}",
    )


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """The argument of commands that open a run or a model, which `execute` obeys."""
    parser.add_argument(
        "--trust-code", action="store_true", help="run the code that someone else's run or model names; read it first"
    )


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of commands that read the data of a run."""
    parser.add_argument(
        "--accept-changed-data", action="store_true", help="go on with other data than the run was trained on"
    )


def add_object_arguments(parser: argparse.ArgumentParser, folder: str) -> None:
    """Arguments of commands that write objects of a trained model."""
    add_model_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path(folder), help=f"folder for the files (default: {folder})")
    parser.add_argument(
        "--resolution", type=resolution, help="other than the training one: N, or points along each axis, as 64x128"
    )
    parser.add_argument(
        "--chunk", type=positive, help="points computed at once (default: the fastest here); bounds the memory"
    )
    parser.add_argument("--suffix", help="of the files written, such as .png or .flac (default: the signal type's)")


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a whole number from 1")
    return int(text)


def resolution(text: str) -> int | list[int]:
    """A whole number from 1, or one for each axis, as 64x128.

    Example:
        >>> resolution("64"), resolution("64x128")
        (64, [64, 128])
    """
    numbers = [positive(part) for part in text.split("x")]
    return numbers if len(numbers) > 1 else numbers[0]


def natural(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a whole number from 0")
    return int(text)


def overlap(text: str) -> float:
    """A number from 0 to 0.95."""
    number = _number(text)
    if not 0 <= number <= 0.95:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a number from 0 to 0.95")
    return number


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    number = _number(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a share above 0 and at most 1")
    return number


def shares(text: str) -> list[float]:
    """Shares, separated by commas."""
    return [share(part) for part in text.split(",")]


def box(text: str) -> list[tuple[float, float]]:
    """LOW:HIGH for each axis, separated by commas."""
    try:
        sides = [(float(low), float(high)) for low, high in (part.split(":") for part in text.split(","))]
    except ValueError:
        sides = [(1.0, 0.0)]
    if not all(0 <= low < high <= 1 for low, high in sides):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected LOW:HIGH for each axis, from 0 to 1, with commas")
    return sides


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0
