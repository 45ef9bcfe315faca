"""The command `gonkit`: run, sample, reconstruct, convert, classify and others."""

from __future__ import annotations

__all__ = ["main"]

import sys

from gonkit.commands import main

if __name__ == "__main__":
    sys.exit(main())
