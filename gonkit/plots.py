"""Histograms and curves as pictures."""

from __future__ import annotations

__all__ = ["draw_curve", "draw_histogram"]

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont
from torch import Tensor

from gonkit.sheet import INK, PAPER

FINE = 3  # drawn that much larger, then reduced, for smooth lines
GRAY, BAR, LINE = "#999999", "#9dc3e6", "#d1601f"
SIZE = (640, 300)
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 30, 36  # margins, in pixels


class Frame(NamedTuple):
    """Which rectangle of numbers a plot shows."""

    left: float
    right: float
    low: float
    high: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies on the enlarged picture."""
        across = (x - self.left) / (self.right - self.left or 1)
        up = (y - self.low) / (self.high - self.low or 1)
        width, height = SIZE[0] - LEFT - RIGHT, SIZE[1] - TOP - BOTTOM
        return FINE * (LEFT + across * width), FINE * (SIZE[1] - BOTTOM - up * height)


def draw_histogram(values: Tensor, title: str, bins: int = 60) -> pillow.Image:
    """The density of numbers (B,), with that of the normal of the same mean and deviation as a line."""
    values = values.flatten().float()
    mean, deviation = values.mean().item(), max(values.std().item(), 1e-12)
    frame_left, frame_right = mean - 4.5 * deviation, mean + 4.5 * deviation
    counts = torch.histc(values, bins, frame_left, frame_right)
    step = (frame_right - frame_left) / bins
    density = counts / (len(values) * step)
    peak = 1 / (deviation * math.sqrt(2 * math.pi))
    frame = Frame(frame_left, frame_right, 0.0, 1.1 * max(density.max().item(), peak))
    picture, draw = _begun(frame, title, "latent", "density")
    for index, height in enumerate(density.tolist()):
        left, top = frame.place(frame_left + index * step, height)
        right, base = frame.place(frame_left + (index + 1) * step, 0.0)
        draw.rectangle([left, top, right, base], BAR)
    across = torch.linspace(frame_left, frame_right, 200).tolist()
    curve = [frame.place(x, peak * math.exp(-(((x - mean) / deviation) ** 2) / 2)) for x in across]
    draw.line(curve, LINE, 2 * FINE)
    return picture.resize(SIZE, pillow.Resampling.LANCZOS)


def draw_curve(points: Sequence[tuple[float, float]], title: str, across: str, up: str) -> pillow.Image:
    """A line through points (x, y) in order, with the axes' names and ends."""
    xs, ys = zip(*points, strict=True)
    frame = Frame(min(xs), max(xs), min(ys), max(ys))
    picture, draw = _begun(frame, title, across, up)
    draw.line([frame.place(x, y) for x, y in points], LINE, 2 * FINE)
    return picture.resize(SIZE, pillow.Resampling.LANCZOS)


def _begun(frame: Frame, title: str, across: str, up: str) -> tuple[pillow.Image, ImageDraw.ImageDraw]:
    """An enlarged picture with title, axes and the numbers at their ends."""
    picture = pillow.new("RGB", (SIZE[0] * FINE, SIZE[1] * FINE), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13 * FINE)
    corner, end, top = (
        frame.place(x, y) for x, y in ((frame.left, frame.low), (frame.right, frame.low), (frame.left, frame.high))
    )
    draw.line([top, corner, end], GRAY, FINE)
    draw.text((LEFT * FINE, 8 * FINE), title, INK, font)
    below = corner[1] + 6 * FINE
    for place, text, anchor in (
        ((corner[0], below), f"{frame.left:.3g}", "la"),
        (((corner[0] + end[0]) / 2, below), across, "ma"),
        ((end[0], below), f"{frame.right:.3g}", "ra"),
        ((corner[0] - 4 * FINE, top[1]), f"{frame.high:.3g}", "rt"),
        ((corner[0] - 4 * FINE, (corner[1] + top[1]) / 2), up, "rm"),
        ((corner[0] - 4 * FINE, corner[1]), f"{frame.low:.3g}", "rb"),
    ):
        draw.text(place, text, INK, font, anchor=anchor)
    return picture, draw
