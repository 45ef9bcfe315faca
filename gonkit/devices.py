"""The device to compute on, and its free memory."""

from __future__ import annotations

__all__ = ["free_memory_mib", "select_device"]

import os
from pathlib import Path

import torch

from gonkit.errors import GonkitError


def select_device(name: str) -> torch.device:
    """The device of a name such as "cpu" or "cuda:1"; "auto" is a GPU if there is one.

    Raises:
        GonkitError: a device that this computer does not have.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise GonkitError(f"train.device: {name!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return device


def free_memory_mib(device: torch.device) -> float:
    """Free memory of a device, in MiB."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2**20
    status = Path("/proc/meminfo")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("MemAvailable"))
        return float(line.split()[1]) / 2**10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**21
