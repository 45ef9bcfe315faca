"""Small pictures of arrays: lines, planes, slices and film strips, with a bar of colors and its ends."""

from __future__ import annotations

__all__ = ["draw_array"]

from collections.abc import Sequence
from typing import Any

import numpy
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from gonkit.plotting import COLORS, apply_colormap, heat_map

SIDE, GAP, BAR = 128, 4, 8  # pixels: longer side of a panel, between panels, width of the bar of colors
LINE_SIZE = (192, 96)  # pixels of a line plot
TIME_AXES = ("time", "t", "frame", "step", "date")
FRAMES = 4  # of a film strip
MAX_CHANNELS = 4  # shown
INK, FRAME = "#222222", "#bbbbbb"
FONT_SIZE = 10  # pixels

Array = numpy.ndarray[Any, Any]
Range = tuple[float, float]


def draw_array(dense: Array, ranges: Sequence[Range], first_axis: str = "", unit: str = "") -> pillow.Image:
    """A picture of values, of one size for one shape.

    Along one axis, a line per channel between the ends of its range; of planes, each channel through the color map
    viridis; of volumes, the middle slices along each axis, or frames where the first axis is time.

    Args:
        dense: (*shape, C), one to four axes; NaN is gray, or leaves a gap.
        ranges: lowest and highest value of each channel.
        first_axis: its name: "time", "t", "frame", "step" or "date" make a film strip.
        unit: written beside the bar of colors.
    """
    if dense.ndim == 2:
        return _draw_lines(dense, ranges)
    rows = []
    for channel in range(min(dense.shape[-1], MAX_CHANNELS)):
        planes = _planes(dense[..., channel], first_axis.lower() in TIME_AXES)
        panels = [_enlarge(heat_map(plane[..., None].astype(float), ranges[channel])) for plane in planes]
        rows.append([*panels, _color_bar(panels[0].height, ranges[channel], unit)])
    width = max(sum(panel.width + GAP for panel in row) for row in rows) - GAP
    heights = [max(panel.height for panel in row) for row in rows]
    picture = pillow.new("RGB", (width, sum(heights) + GAP * (len(rows) - 1)), "white")
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for panel in row:
            picture.paste(panel, (left, top))
            left += panel.width + GAP
        top += height + GAP
    return picture


def _planes(array: Array, is_time: bool) -> list[Array]:
    """Planes of an array of two to four axes."""
    if array.ndim == 2:
        return [array]
    if is_time or array.ndim == 4:
        count = min(FRAMES, len(array))
        frames = [array[round(i * (len(array) - 1) / max(1, count - 1))] for i in range(count)]
        return [frame if frame.ndim == 2 else frame[len(frame) // 2] for frame in frames]
    return [numpy.take(array, array.shape[axis] // 2, axis) for axis in range(3)]


def _enlarge(picture: pillow.Image) -> pillow.Image:
    factor = max(1, SIDE // max(picture.size))
    return picture.resize((picture.width * factor, picture.height * factor), pillow.Resampling.NEAREST)


def _color_bar(height: int, value_range: Range, unit: str) -> pillow.Image:
    """Colors from the lowest value at the bottom to the highest at the top, with both written beside them."""
    font = ImageFont.load_default(FONT_SIZE)
    texts = [f"{value:.3g} {unit}".strip() for value in reversed(value_range)]
    width = BAR + GAP + max(int(font.getlength(text)) + 1 for text in texts)
    picture = pillow.new("RGB", (width, max(height, 2 * FONT_SIZE + GAP)), "white")
    shades = numpy.linspace(1, 0, height)[:, None].repeat(BAR, 1)
    picture.paste(apply_colormap(shades, "viridis"), (0, 0))
    draw = ImageDraw.Draw(picture)
    draw.text((BAR + GAP, 0), texts[0], INK, font, anchor="lt")
    draw.text((BAR + GAP, max(height, 2 * FONT_SIZE + GAP) - 1), texts[1], INK, font, anchor="lb")
    return picture


def _draw_lines(dense: Array, ranges: Sequence[Range]) -> pillow.Image:
    """A line for each channel of (n, C)."""
    width, height = LINE_SIZE
    scale = 2  # drawn larger, for smooth lines
    picture = pillow.new("RGB", (width * scale, height * scale), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width * scale - 1, height * scale - 1), outline=FRAME, width=scale)
    x = (numpy.arange(len(dense)) + 0.5) / len(dense) * width * scale
    for channel in range(dense.shape[1]):
        low, high = ranges[channel]
        shade = ((dense[:, channel].astype(float) - low) / ((high - low) or 1.0)).clip(-0.02, 1.02)
        y = (0.95 - 0.9 * shade) * height * scale
        color = COLORS[channel % len(COLORS)]
        for run in _runs(~numpy.isnan(y)):
            points = list(zip(x[run].tolist(), y[run].tolist(), strict=True))
            if len(points) > 1:
                draw.line(points, color, width=2 * scale, joint="curve")
            else:
                draw.ellipse(
                    [(points[0][0] - scale, points[0][1] - scale), (points[0][0] + scale, points[0][1] + scale)], color
                )
    return picture.resize(LINE_SIZE, pillow.Resampling.BOX)


def _runs(known: Array) -> list[slice]:
    """Stretches of True."""
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([False], known, [False])).astype(int)))
    return [slice(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]
