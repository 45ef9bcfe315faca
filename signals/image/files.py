"""Picture files: read upright, in sRGB, and over a background where they are transparent, unless alpha is kept."""

from __future__ import annotations

__all__ = [
    "AlphaImageFiles",
    "ImageFiles",
    "ImageReader",
    "hide_colors",
    "opened",
    "over_background",
    "upright_srgb",
    "upright_srgba",
]

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy
import torch
from PIL import Image as pillow
from PIL import ImageCms, ImageColor, ImageOps, features
from torch import Tensor

from gonkit.batch import Sample
from gonkit.data import SignalFiles, SignalReader
from gonkit.errors import GonkitError, reading
from gonkit.files import atomic_path

AVIF = [".avif"] if features.check("avif") else []
FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", *(["AVIF"] if AVIF else [])]  # to read EPS runs programs
MIN_SIDE = 4  # pixels
MIN_ALPHA = 8  # of 255, below which a color cannot be seen


class PictureType(Protocol):
    """What files need to know of the signal type; see `signals.image.Image`."""

    @property
    def resolved_size(self) -> tuple[int, int]: ...

    def to_mode(self, picture: pillow.Image) -> pillow.Image: ...

    def to_values(self, picture: pillow.Image) -> Tensor: ...

    def to_object(self, values: Tensor, resolution: int | None = None) -> pillow.Image: ...

    def preview(self, obj: pillow.Image) -> pillow.Image: ...


class ImageFiles(SignalFiles):
    """Picture files, read and written with Pillow."""

    read_suffixes: ClassVar[frozenset[str]] = frozenset(
        [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", *AVIF]
    )
    write_suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".webp")

    def __init__(self, signal: PictureType) -> None:
        super().__init__(signal.to_object, signal.preview)
        self.signal = signal

    def load(self, path: Path) -> Sample:
        return Sample(self.signal.to_values(self.read(path)), name=path.stem)

    def from_object(self, obj: Any) -> Sample:
        if not isinstance(obj, pillow.Image):
            return super().from_object(obj)
        return Sample(self.signal.to_values(obj))

    def save(self, obj: pillow.Image, stem: Path, suffix: str | None = None) -> Path:
        path = self.path(stem, suffix)
        if path.suffix not in self.write_suffixes:
            raise GonkitError(f"{path}: not written: {obj.mode} pictures end in {' or '.join(self.write_suffixes)}")
        with atomic_path(path) as temporary:
            obj.save(temporary, quality=95)
        return path

    def open(self, path: Path) -> ImageReader:
        return ImageReader(self.read(path), self.signal.resolved_size[0])

    def inspect(self, path: Path) -> Mapping[str, str]:
        width, height = self.read(path).size
        small = min(width, height) < MIN_SIDE
        verdict = f"{width} × {height} pixels are too few to show anything; leave it out" if small else "good"
        return {"width": str(width), "height": str(height), "verdict": verdict}

    def read(self, path: Path) -> pillow.Image:
        """A picture at its full size, upright, in the color mode of the signal type."""
        with opened(path) as picture:
            return self.signal.to_mode(picture)


class AlphaImageFiles(ImageFiles):
    """The same for pictures whose alpha is kept, which JPEG does not store."""

    write_suffixes: ClassVar[tuple[str, ...]] = (".png", ".webp")


class ImageReader(SignalReader):
    """A picture of any size, read forward by rows; its pixels are those of the training height."""

    def __init__(self, picture: pillow.Image, resolution: int) -> None:
        pixels = numpy.array(picture)
        self.pixels = torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1))  # (H, W, C)
        self.shape, self.resolution, self.row = pixels.shape[:2], resolution, 0

    def read(self, count: int) -> Tensor:
        self.row += count
        return self.pixels[self.row - count : self.row].float().div(255).unsqueeze(0)


def upright_srgb(picture: pillow.Image, background: str) -> pillow.Image:
    """A picture as it is meant to be seen, in mode "L" or "RGB".

    It is turned as its EXIF data say. Sixteen bits are rounded to eight. Colors of an embedded profile are converted to
    sRGB. What is transparent shows the background.
    """
    picture = ImageOps.exif_transpose(picture)
    profile = picture.info.get("icc_profile")
    if picture.mode in ("I;16", "I;16B", "I;16L", "I"):  # which Pillow would clip at 255
        picture = pillow.fromarray((numpy.asarray(picture).astype(numpy.float32) / 257).round().astype(numpy.uint8))
    elif picture.has_transparency_data:
        picture = over_background(picture, background)
    elif picture.mode not in ("L", "RGB", "CMYK"):
        picture = picture.convert("L" if picture.mode in ("1", "LA", "F") else "RGB")
    if profile and picture.mode != "L":
        try:
            embedded, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(picture, embedded, srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):  # of another color space than the picture, or damaged
            converted = None
        picture = converted or picture
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def upright_srgba(picture: pillow.Image, background: str) -> pillow.Image:
    """The same in mode "RGBA", with the picture's alpha; see `hide_colors`."""
    if not picture.has_transparency_data:
        return upright_srgb(picture, background).convert("RGBA")
    layer = ImageOps.exif_transpose(picture).convert("RGBA")
    colors = pillow.merge("RGB", layer.split()[:3])
    colors.info["icc_profile"] = picture.info.get("icc_profile")
    colors = upright_srgb(colors, background).convert("RGBA")
    colors.putalpha(layer.getchannel("A"))
    return hide_colors(colors, background)


def hide_colors(picture: pillow.Image, background: str) -> pillow.Image:
    """A picture in mode "RGBA" with the colors of a background where alpha is next to zero.

    There colors are arbitrary: nobody sees them, and resizing, which weights them by alpha, rounds them away.
    """
    visible = picture.getchannel("A").point(lambda alpha: 255 if alpha >= MIN_ALPHA else 0)
    hidden = pillow.new("RGBA", picture.size, (*ImageColor.getrgb(background)[:3], 0))
    return pillow.composite(picture, hidden, visible)


def over_background(picture: pillow.Image, background: str) -> pillow.Image:
    """A transparent picture laid over a background, in mode "RGB"."""
    layer = picture.convert("RGBA")
    return pillow.alpha_composite(pillow.new("RGBA", layer.size, background), layer).convert("RGB")


@contextmanager
def opened(path: Path) -> Iterator[pillow.Image]:
    """A picture file of which only the header has been read.

    Raises:
        GonkitError: it cannot be read; also inside the block.
    """
    with (
        reading(path, "a picture"),
        warnings.catch_warnings(action="ignore"),
        pillow.open(path, formats=FORMATS) as picture,
    ):
        yield picture
