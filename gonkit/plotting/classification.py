"""Charts of a classifier: the confusion matrix, and classes in a plane of latents."""

from __future__ import annotations

__all__ = ["draw_confusion_matrix", "draw_latent_plane"]

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch
from PIL import Image as pillow
from torch import Tensor

from gonkit.plotting.canvas import COLORS, new_axes, plain, to_image

MAX_NAME = 16  # characters of a class name
LEGEND_ROWS = 24
PLANE_POINTS = 280  # points along each axis at which the plane of latents is classified


def draw_confusion_matrix(counts: Tensor, class_names: Sequence[str]) -> pillow.Image:
    """A confusion matrix (N, N): true classes in rows, predicted ones in columns, shaded by the share of the row.

    Args:
        counts: signals of each true and predicted class.
        class_names: N names; long ones are cut.
    """
    counts = counts.cpu()
    size = len(counts)
    names = [_cut(name) for name in class_names]
    cell = min(46.0, max(12.0, 1200 / size))  # pixels
    side = max(size * cell, 200) + 7 * max(len(name) for name in names) + 80
    figure, axes = new_axes(side + 90, side)
    shares = (counts / counts.sum(1, keepdim=True).clamp_min(1)).numpy()
    shading = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    font_size = min(10.0, cell / 3)
    for row, column in counts.nonzero().tolist():
        color = "white" if shares[row, column] > 0.5 else "#222222"
        axes.text(column, row, str(int(counts[row, column])), color=color, fontsize=font_size, ha="center", va="center")
    label_size = min(10.0, cell / 1.5)
    axes.set_xticks(range(size), names, rotation=90 if max(map(len, names)) > 3 else 0, fontsize=label_size)
    axes.set_yticks(range(size), names, fontsize=label_size)
    axes.set_xticks(numpy.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(numpy.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(title="Confusion matrix", xlabel="predicted class", ylabel="true class")
    bar = figure.colorbar(shading, ax=axes, label="share of the true class", shrink=0.8)
    bar.outline.set_visible(False)
    return to_image(figure)


def draw_latent_plane(
    latent: Tensor, label: Tensor, class_names: Sequence[str], classify: Callable[[Tensor], Tensor]
) -> pillow.Image:
    """Latents of two dimensions as points in the colors of their classes, over the regions of the predicted classes.

    Args:
        latent: (B, 2).
        label: (B,) int64 true classes.
        class_names: N names; long ones are cut.
        classify: predicted classes (M,) of latents (M, 2) on the CPU.
    """
    latent, label = latent.detach().float().cpu(), label.cpu()
    right, top = (1.1 * latent.abs().quantile(0.995, dim=0).clamp_min(1e-9)).tolist()
    axis = (torch.arange(PLANE_POINTS) + 0.5) * (2 / PLANE_POINTS) - 1
    y, x = torch.meshgrid(axis * top, axis * right, indexing="ij")
    with torch.no_grad():
        predicted = classify(torch.stack([x, y], -1).view(-1, 2)).cpu().view(PLANE_POINTS, PLANE_POINTS)
    colors = _class_colors(len(class_names))
    columns = math.ceil(len(class_names) / LEGEND_ROWS)
    figure, axes = new_axes(600 + 130 * columns, 560)
    extent = (-right, right, -top, top)
    regions = 1 - 0.25 * (1 - colors[predicted.numpy()])
    axes.imshow(regions, origin="lower", extent=extent, aspect="auto", interpolation="nearest")
    for index, name in enumerate(class_names):
        own = latent[label == index].numpy()
        axes.scatter(own[:, 0], own[:, 1], s=6, color=[colors[index]], linewidths=0, label=_cut(name))
    axes.set(
        xlabel="z1",
        ylabel="z2",
        xlim=extent[:2],
        ylim=extent[2:],
        title="Latents over the regions of predicted classes",
    )
    figure.legend(loc="outside right upper", ncols=columns, frameon=False, markerscale=3, title="true class")
    return to_image(figure)


def _cut(name: str) -> str:
    return plain(name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…")


def _class_colors(count: int) -> numpy.ndarray[Any, Any]:
    """(count, 3) RGB from 0 to 1."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if count <= len(COLORS):
        return numpy.array([to_rgb(color) for color in COLORS[:count]])
    return numpy.asarray(colormaps["turbo"](numpy.linspace(0.03, 0.97, count)))[:, :3]
