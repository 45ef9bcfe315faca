"""Picture files: transparency and color profiles."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image as pillow
from PIL import ImageCms

from signals.image import Image


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_what_is_transparent_shows_the_background(tmp_path: Path, mode: str) -> None:
    noise = numpy.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=numpy.uint8)
    picture = pillow.fromarray(noise).convert("RGBA")
    picture.putalpha(pillow.fromarray(numpy.repeat([[0], [255]], [4, 4], 0).astype(numpy.uint8).repeat(8, 1)))
    if mode == "P":
        green = pillow.new("P", (8, 8), 0)
        green.putpalette([0, 255, 0, 9, 9, 9])
        green.paste(1, (0, 4, 8, 8))
        green.save(tmp_path / "a.png", transparency=0)
    else:
        picture.convert(mode).save(tmp_path / "a.tif" if mode == "PA" else tmp_path / "a.png")
    (path,) = tmp_path.glob("a.*")
    for background, expected in (("white", (1, 1, 1)), ("#ff0000", (1, 0, 0))):
        signal = Image(data=str(tmp_path), size=8, background=background)
        values = signal.files.load(path).values.unflatten(0, (8, 8))
        assert torch.equal(values[:4], torch.tensor(expected).float().expand(4, 8, 3))
        assert values[4:].max() < 1
    gray = Image(data=str(tmp_path), size=8, color="gray").files.load(path).values.unflatten(0, (8, 8))
    assert torch.equal(gray[:4], torch.ones(4, 8, 1))
    with pytest.raises(ValueError, match="unknown color specifier"):
        Image(background="whitish")


def test_colors_of_an_embedded_profile_are_converted(tmp_path: Path) -> None:
    colors = numpy.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=numpy.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = pillow.fromarray(colors)
    expected = torch.from_numpy(colors).float().flatten(0, 1) / 255
    signal = Image(data=str(tmp_path), size=8)
    for name, profile in (("plain", b""), ("srgb", srgb), ("damaged", b"no profile")):
        picture.save(tmp_path / f"{name}.png", icc_profile=profile)
        assert (signal.files.load(tmp_path / f"{name}.png").values - expected).abs().max() < 1.5 / 255
    swapped = _swapped(srgb)
    picture.save(tmp_path / "swapped.png", icc_profile=swapped)
    values = signal.files.load(tmp_path / "swapped.png").values
    assert (values - expected[:, [1, 0, 2]]).abs().max() < 3 / 255


def _swapped(profile: bytes) -> bytes:
    """An RGB profile whose red and green primaries are exchanged."""
    return profile.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
