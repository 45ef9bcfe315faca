"""The command `gonkit`: parses its arguments and runs the subcommand."""

from __future__ import annotations

__all__ = ["execute", "main"]

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from io import TextIOWrapper

from gonkit._version import __version__
from gonkit.commands.checking import CHECK
from gonkit.commands.command import Command
from gonkit.commands.evaluation import EVALUATE, LATENTS
from gonkit.commands.exploration import ANALOGY, EXPORT, INTERPOLATE
from gonkit.commands.inference import CLASSIFY, CONVERT, RECONSTRUCT, SAMPLE
from gonkit.commands.new_signal import NEW_SIGNAL
from gonkit.commands.research import BENCH, FIGURE
from gonkit.commands.termination import sigterm_as_keyboard_interrupt
from gonkit.commands.training import FINISH, RUN
from gonkit.errors import ExitCode, GonkitError

COMMANDS: tuple[Command, ...] = (
    RUN,
    FINISH,
    SAMPLE,
    RECONSTRUCT,
    CONVERT,
    CLASSIFY,
    INTERPOLATE,
    ANALOGY,
    EXPORT,
    EVALUATE,
    LATENTS,
    CHECK,
    NEW_SIGNAL,
    FIGURE,
    BENCH,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code; see `gonkit.errors.ExitCode`."""
    options = _parser().parse_args(arguments)
    return execute(options.command, options)


def execute(command: Command, options: argparse.Namespace) -> int:
    """Runs a command with parsed arguments; a user's mistake prints one sentence, without a traceback."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has: names of files may be of any bytes
    try:
        with sigterm_as_keyboard_interrupt(), _trust(options):
            code = command.run(options)
    except GonkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.RESUMABLE
    return ExitCode.DONE if code is None else code


def _trust(options: argparse.Namespace) -> AbstractContextManager[None]:
    """What `--trust-code` allows, in commands that have it."""
    if not getattr(options, "trust_code", False):
        return nullcontext()
    from gonkit.recipe import trusting_code

    return trusting_code()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gonkit", description="Train recipes, and use what was trained.")
    parser.add_argument("--version", action="version", version=f"gonkit {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.description, description=command.description)
        command.add_arguments(subparser)
        subparser.set_defaults(command=command)
    return parser
