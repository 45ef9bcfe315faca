"""python -m gonkit: the same as the command `gonkit`."""

from __future__ import annotations

import sys

from gonkit.commands import main

if __name__ == "__main__":
    sys.exit(main())
