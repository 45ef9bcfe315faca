"""Selects the device to compute on."""

from __future__ import annotations

__all__ = ["select_device"]

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
