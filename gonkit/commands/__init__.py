"""The commands: for each its arguments and, beside them, what it does."""

from __future__ import annotations

from gonkit.commands.main import COMMANDS, execute, main
from gonkit.commands.training import RUN

__all__ = ["COMMANDS", "RUN", "execute", "main"]
