"""Reads colors off pictures."""

from __future__ import annotations

from typing import Any

import numpy
from matplotlib.colors import to_rgb
from PIL import Image as pillow


def has_color(picture: pillow.Image, color: str | tuple[float, ...]) -> numpy.ndarray[Any, Any]:
    """Where a picture has a color, to rounding; (H, W) bool. Colors are names, or RGB from 0 to 1."""
    rgb = numpy.array(to_rgb(color) if isinstance(color, str) else color[:3])
    difference = numpy.asarray(picture.convert("RGB")).astype(int) - numpy.round(255 * rgb)
    return numpy.asarray(abs(difference).max(-1) <= 1)
