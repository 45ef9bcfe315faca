"""Images: gray or color pixels on a regular grid. The example of a signal type to read first."""

from __future__ import annotations

from signals.image.files import ImageFiles, ImageReader
from signals.image.signal import Image, ImageMeasures
from signals.image.sources import load_photographs

__all__ = ["Image", "ImageFiles", "ImageMeasures", "ImageReader", "load_photographs"]
