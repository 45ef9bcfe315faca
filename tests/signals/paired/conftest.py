"""Pictures for tests of pairs."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image as pillow

from signals.image import Image

EIGHT = Image(data="digits")  # 8×8 pixels
FOUR = Image(data="digits", size=4)


def write_pictures(folder: Path, names: str, size: int = 8, brightness: float = 1.0) -> Path:
    """Writes random pictures, one for each letter; the same ones in the same order."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        plane = torch.rand(size, size, 3, generator=torch.Generator().manual_seed(number)) * brightness
        pillow.fromarray((plane * 255).byte().numpy()).save(folder / f"{name}.png")
    return folder
