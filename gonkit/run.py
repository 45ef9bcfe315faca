"""python -m gonkit.run RECIPE: the same as `gonkit run RECIPE`."""

from __future__ import annotations

__all__ = ["main"]

import argparse
import sys
from collections.abc import Sequence

from gonkit.commands import RUN, execute


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code; see `gonkit.errors.ExitCode`."""
    parser = argparse.ArgumentParser("python -m gonkit.run", description=RUN.description)
    RUN.add_arguments(parser)
    return execute(RUN, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
