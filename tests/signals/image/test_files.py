"""Picture files: transparency and color profiles."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy
import pytest
import torch
from PIL import Image as pillow
from PIL import ImageCms

from gonkit.errors import GonkitError
from signals.image import Image
from tests.signals.conftest import all_names, all_signals


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


def half_transparent(noise: numpy.ndarray) -> pillow.Image:
    """Noise (16, 16, 3) whose upper half is transparent, and whose alpha is 100 in the four columns on the left."""
    alpha = numpy.full((16, 16), 255, numpy.uint8)
    alpha[:, :4], alpha[:8] = 100, 0
    return pillow.fromarray(numpy.dstack([noise, alpha]))


@pytest.mark.parametrize("fit", ["crop", "resize"])
@pytest.mark.parametrize("size", [16, 8])
def test_alpha_is_kept_on_request_and_hidden_colors_are_not(tmp_path: Path, fit: str, size: int) -> None:
    noise = numpy.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=numpy.uint8)
    half_transparent(noise).save(tmp_path / "a.png")
    signal = Image(size=size, color="rgba", background="#ff8000", fit=fit)
    values = signal.grid().unflatten(signal.files.load(tmp_path / "a.png").values)
    colors, alpha = values.split([3, 1], -1)
    hidden = alpha[..., 0] < 8 / 255
    assert hidden[: size // 2 - 1].all()
    assert not hidden[size // 2 + 1 :].any()
    assert torch.equal(colors[hidden], (torch.tensor([255, 128, 0]) / 255).expand(int(hidden.sum()), 3))
    reader = signal.files.open(tmp_path / "a.png")
    whole = reader.read(16)[0]
    assert torch.equal(whole[:8, :, :3], (torch.tensor([255, 128, 0]) / 255).expand(8, 16, 3))
    assert torch.equal(whole[8:, :, :3], torch.from_numpy(noise[8:]) / 255)
    assert (whole[8:, :4, 3] * 255).round().unique().tolist() == [100]
    preview = signal.preview(signal.to_object(whole))
    assert preview.mode == "RGB"
    assert preview.getpixel((9, 3)) == (255, 128, 0)


def test_pictures_with_alpha_are_written_with_it_or_refused(tmp_path: Path) -> None:
    noise = numpy.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=numpy.uint8)
    signal = Image(size=16, color="rgba")
    half_transparent(noise).save(tmp_path / "a.png")
    values = signal.files.load(tmp_path / "a.png").values
    picture = signal.to_object(signal.grid().unflatten(values))
    for suffix in (None, ".webp"):
        path = signal.files.save(picture, tmp_path / "b", suffix)
        assert (signal.files.load(path).values - values)[:, 3].abs().max() == 0
        assert suffix or torch.equal(signal.files.load(path).values, values)
    with pytest.raises(GonkitError, match=r"b\.jpg: not written: RGBA pictures end in \.png or \.webp"):
        signal.files.save(picture, tmp_path / "b", ".jpg")
    assert Image(size=16).files.save(picture.convert("RGB"), tmp_path / "c", ".jpg").exists()
    opaque = pillow.new("L", (16, 16), 90)
    opaque.save(tmp_path / "gray.png")
    gray = signal.files.load(tmp_path / "gray.png").values
    assert (gray * 255).round().unique(dim=0).tolist() == [[90, 90, 90, 255]]


def test_an_hdf5_file_may_have_alpha_on_request(tmp_path: Path) -> None:
    pixels = numpy.random.default_rng(0).integers(8, 255, (10, 8, 8, 4), dtype=numpy.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["values"] = pixels
    dataset = Image(data=str(tmp_path / "a.h5"), size=8, color="rgba").dataset("test")
    row = int(all_names(dataset)[0])
    assert torch.equal(all_signals(dataset).values[0], torch.from_numpy(pixels[row]).flatten(0, 1) / 255)
    with pytest.raises(GonkitError, match=r'C = 1 or 3 \(or 4, with signal.color = "rgba"\); got \(10, 8, 8, 4\)'):
        Image(data=str(tmp_path / "a.h5"), size=8).dataset("test")


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
    picture.convert("RGBA").save(tmp_path / "alpha.png", icc_profile=swapped)
    with_alpha = Image(size=8, color="rgba").files.load(tmp_path / "alpha.png").values
    assert (with_alpha[:, :3] - expected[:, [1, 0, 2]]).abs().max() < 3 / 255
    picture.save(tmp_path / "swapped.png", icc_profile=swapped)
    values = signal.files.load(tmp_path / "swapped.png").values
    assert (values - expected[:, [1, 0, 2]]).abs().max() < 3 / 255


def _swapped(profile: bytes) -> bytes:
    """An RGB profile whose red and green primaries are exchanged."""
    return profile.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
