"""Histograms and curves, as pictures and as SVG."""

from __future__ import annotations

__all__ = ["curves_svg", "draw_curve", "draw_histogram"]

import io
import math
import re
import threading
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from PIL import Image as pillow
from torch import Tensor

from gonkit.plotting.canvas import COLORS, new_axes, plain, to_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (640, 360)  # pixels
BAR_COLOR, LINE_COLOR = "#9dc3e6", "#d1601f"
_svg_lock = threading.Lock()  # matplotlib reads the settings of SVG from a global dictionary


def draw_histogram(values: Tensor, title: str, xlabel: str = "latent value", *, bins: int = 60) -> pillow.Image:
    """Density of values of any shape, with the normal distribution of the same mean and standard deviation.

    Values more than 4.5 standard deviations from the mean are not shown.
    """
    values = values.detach().flatten().double().cpu()
    mean = values.mean().item()
    std = max(values.std(correction=min(1, len(values) - 1)).item(), 1e-6 * abs(mean), 1e-12)
    low, high = mean - 4.5 * std, mean + 4.5 * std
    width = (high - low) / bins
    density = torch.histc(values, bins, low, high) / (len(values) * width)
    x = torch.linspace(low, high, 200, dtype=torch.float64)
    normal = torch.exp(-((x - mean) / std).square() / 2) / (std * math.sqrt(2 * math.pi))
    figure, axes = new_axes(*SIZE)
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
    axes.stairs(density.numpy(), edges.numpy(), fill=True, color=BAR_COLOR, label="values")
    axes.plot(x.numpy(), normal.numpy(), color=LINE_COLOR, label=f"normal, mean {mean:.3g}, std {std:.3g}")
    top = 1.25 * max(density.max().item(), normal.max().item())  # leaves room for the legend
    axes.set(xlim=(low, high), ylim=(0, top))
    _style(axes, title, xlabel, "density")
    axes.legend(loc="upper right", frameon=False)
    return to_image(figure)


def draw_curve(points: Sequence[tuple[float, float]], title: str, xlabel: str, ylabel: str) -> pillow.Image:
    """A line through points (x, y) in order."""
    figure, axes = new_axes(*SIZE)
    _plot(axes, points, COLORS[0])
    _style(axes, title, xlabel, ylabel)
    return to_image(figure)


def curves_svg(
    curves: Mapping[str, Sequence[tuple[float, float]]], title: str, ylabel: str, xlabel: str = "step"
) -> str:
    """Curves as an `<svg>` element for an HTML page, the same for the same input.

    Its ids do not clash with those of other charts on the page. A curve of one point is drawn as a dot.

    Args:
        curves: points (x, y) in order, by the name that the legend shows.
        title: above the chart.
        ylabel: quantity and unit.
        xlabel: quantity and unit.

    Example:
        >>> svg = curves_svg({"train": [(0, 1.0), (10, 0.5)], "validation": [(10, 0.6)]}, "Loss", "loss")
        >>> svg.startswith("<svg"), svg.endswith("</svg>"), ">validation</text>" in svg
        (True, True, True)
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    with _svg_lock, rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        figure, axes = new_axes(*SIZE)
        for index, (name, points) in enumerate(curves.items()):
            _plot(axes, points, COLORS[index % len(COLORS)], plain(name))
        _style(axes, title, xlabel, ylabel)
        if curves:
            axes.legend(frameon=False)
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _for_page(buffer.getvalue())


def _plot(axes: Axes, points: Sequence[tuple[float, float]], color: str, label: str | None = None) -> None:
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=color,
        marker="o" if len(points) == 1 else None,
        linewidth=1.5,
        label=label,
    )


def _style(axes: Axes, title: str, xlabel: str, ylabel: str) -> None:
    """Texts, a light grid behind the data, and no frame above and to the right."""
    axes.set(title=plain(title), xlabel=plain(xlabel), ylabel=plain(ylabel))
    axes.grid(color="#e4e4e4")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _for_page(svg: str) -> str:
    """A whole SVG file as an element of a page: no prolog, ids of its own, no style that applies to the page."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = svg.replace("<svg", '<svg style="stroke-linejoin: round; stroke-linecap: butt"', 1)
    prefix = f"chart{zlib.crc32(svg.encode()):08x}-"
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", svg)
