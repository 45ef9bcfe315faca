"""Arrays as pictures, one pixel per value."""

from __future__ import annotations

__all__ = ["apply_colormap", "heat_map"]

from typing import Any

import numpy
from PIL import Image as pillow

from gonkit.errors import GonkitError

MAX_SIDE = 512  # pixels; longer axes are averaged down to it
MISSING = (211, 211, 211)  # RGB of NaN


def heat_map(array: numpy.ndarray[Any, Any], value_range: tuple[float, float]) -> pillow.Image:
    """An array as a picture without axes, of one size for one shape of arrays.

    Three channels are shown as red, green and blue; otherwise the first channel through the color map viridis. Values
    outside the range are clipped; NaN is light gray.

    Args:
        array: (*shape, C). A row (n, C) is repeated to a strip, a plane (H, W, C) is shown as it is, and of a volume
            the middle slice along its first axes.
        value_range: lowest and highest value.

    Raises:
        GonkitError: an array that is not numeric, is empty, or has fewer than two axes.

    Example:
        >>> heat_map(numpy.zeros((16, 24, 32, 1)), (0.0, 1.0)).size
        (32, 24)
        >>> heat_map(numpy.array([[[1.0, 0.5, numpy.nan]], [[-1.0, 1.0, 0.0]]]), (-1.0, 1.0)).getpixel((0, 1))
        (0, 255, 128)
    """
    if array.ndim < 2 or not array.size or array.dtype.kind not in "biuf":
        raise GonkitError(
            f"a heat map needs numbers (*shape, C); got {array.dtype} {array.shape}: signal types whose objects are "
            "no such arrays need a `preview` of their own"
        )
    is_row = array.ndim == 2
    if is_row:
        array = array[None]
    while array.ndim > 3:
        array = array[len(array) // 2]
    values = array.astype(float) if array.shape[-1] == 3 else array[..., :1].astype(float)
    low, high = value_range
    missing = numpy.isnan(values).any(-1)
    shade = numpy.where(missing[..., None], 0.0, (values - low) / ((high - low) or 1.0)).clip(0, 1)
    if shade.shape[-1] == 3:
        picture = pillow.fromarray((shade * 255).round().astype(numpy.uint8))
    else:
        picture = apply_colormap(shade[..., 0], "viridis")
    picture.paste(MISSING, mask=pillow.fromarray(missing.astype(numpy.uint8) * 255))
    width, height = min(picture.width, MAX_SIDE), min(picture.height, MAX_SIDE)
    if is_row:
        height = max(8, width // 8)
    return picture.resize((width, height), pillow.Resampling.BOX)


def apply_colormap(shade: numpy.ndarray[Any, Any], name: str = "magma") -> pillow.Image:
    """Numbers (H, W) from 0 to 1 as an RGB picture, through one of matplotlib's color maps."""
    from matplotlib import colormaps

    return pillow.fromarray(colormaps[name](shade.astype(float), bytes=True)[..., :3].copy())
