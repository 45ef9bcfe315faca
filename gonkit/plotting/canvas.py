"""Matplotlib figures without pyplot: no global state, so that threads can draw at the same time."""

from __future__ import annotations

__all__ = ["COLORS", "new_axes", "plain", "to_image"]

from typing import TYPE_CHECKING

import numpy
from PIL import Image as pillow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#1f6fb4", "#d1601f", "#2f9e44", "#c92a2a", "#7048a8", "#8a5a44", "#d6589f", "#6b6b6b", "#a3a012", "#12a5b8")
DPI = 100


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of `width` × `height` pixels with one pair of axes, arranged so that no texts overlap."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)  # inches
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout=layout)
    return figure, figure.add_subplot()


def to_image(figure: Figure) -> pillow.Image:
    """The figure as an RGB picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return pillow.fromarray(numpy.asarray(canvas.buffer_rgba())).convert("RGB")


def plain(text: str) -> str:
    """Text that matplotlib draws as it is: no formula between dollar signs, no name left out of a legend."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
