"""Heat maps, grids of pictures, and charts. Matplotlib is imported by the first chart, not with the package."""

from __future__ import annotations

from gonkit.plotting.canvas import COLORS
from gonkit.plotting.charts import curves_svg, draw_curve, draw_histogram
from gonkit.plotting.classification import draw_confusion_matrix, draw_latent_plane
from gonkit.plotting.heat_map import apply_colormap, heat_map
from gonkit.plotting.image_grid import image_grid

__all__ = [
    "COLORS",
    "apply_colormap",
    "curves_svg",
    "draw_confusion_matrix",
    "draw_curve",
    "draw_histogram",
    "draw_latent_plane",
    "heat_map",
    "image_grid",
]
