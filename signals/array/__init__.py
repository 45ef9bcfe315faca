"""Arrays: values on a grid of one to four axes, from .npy, .npz, HDF5 and Zarr, without writing Python."""

from __future__ import annotations

from signals.array.files import ArrayFiles
from signals.array.preview import draw_array
from signals.array.signal import Array
from signals.array.sources import ArraySource, Layout, open_source, widened
from signals.array.weather import make_weather

__all__ = ["Array", "ArrayFiles", "ArraySource", "Layout", "draw_array", "make_weather", "open_source", "widened"]
