"""Objects in memory are encoded as their files are."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import soundfile
import torch
import trimesh
from PIL import Image as pillow

from gonkit.errors import GonkitError
from gonkit.inference import as_batch
from signals.audio import Audio, Waveform
from signals.image import Image
from signals.shape import Occupancy


def test_pictures(tmp_path: Path) -> None:
    random = numpy.random.default_rng(0)
    picture = pillow.fromarray(random.integers(0, 255, (20, 30, 4), dtype=numpy.uint8), "RGBA")
    picture.save(tmp_path / "one.png")
    signal = Image(data=str(tmp_path), size=16)
    expected = as_batch(signal, tmp_path / "one.png").values
    for objects in (picture, [picture], [tmp_path / "one.png"]):
        assert torch.equal(as_batch(signal, objects).values, expected)
    square = as_batch(signal, numpy.asarray(signal.to_object(signal.grid().unflatten(expected[0]))) / 255)
    torch.testing.assert_close(square.values, expected, atol=1 / 254, rtol=0)
    with pytest.raises(GonkitError, match=r"values from 0 to 255; Image takes those from 0 to 1"):
        as_batch(signal, torch.tensor([0, 255]).repeat(16 * 8 * 3).view(16, 16, 3))


def test_sounds(tmp_path: Path) -> None:
    samples = 0.3 * torch.randn(2, 900, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    soundfile.write(tmp_path / "one.wav", samples.mT.numpy(), 16_000, subtype="FLOAT")
    signal = Audio(rate=8000, length=400)
    expected = as_batch(signal, tmp_path / "one.wav").values
    for sound in ((samples, 16_000), (samples.numpy(), 16_000), Waveform(samples.mT, 16_000), [(samples, 16_000)]):
        torch.testing.assert_close(as_batch(signal, sound).values, expected)
    assert as_batch(signal, (samples[0], 8000)).values.shape == (1, 400, 1)
    for wrong, message in (
        ((samples.short(), 8000), "floating-point numbers"),
        ((samples[None], 8000), r"\(channels, T\)"),
        ((samples * torch.nan, 8000), "not finite"),
        ((torch.zeros(2, 9), 8000), "all 9 samples are zero"),
        ((samples, 0), "no signal of this type"),
    ):
        with pytest.raises(GonkitError, match=message):
            as_batch(signal, wrong)


def test_meshes(tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(2, 3.0)
    mesh.export(tmp_path / "one.ply")
    for shared in (False, True):
        signal = Occupancy(data=str(tmp_path), points=512, shared=shared)
        expected = as_batch(signal, tmp_path / "one.ply")
        batch = as_batch(signal, mesh)
        torch.testing.assert_close(batch.coords, expected.coords, atol=1e-5, rtol=0)
        assert (batch.values != expected.values).float().mean() < 0.01
    with pytest.raises(GonkitError, match="a Trimesh: "):
        as_batch(signal, trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]))
    with pytest.raises(GonkitError, match="a dict is no signal"):
        as_batch(signal, {"vertices": 1})
