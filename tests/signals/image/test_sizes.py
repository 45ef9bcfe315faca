"""Pictures that are not square: read, trained on, decoded at other resolutions, and tiled."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy
import pytest
import torch
from PIL import Image as pillow

import gonkit
from gonkit.cli import main
from gonkit.data import Grid
from gonkit.errors import GonkitError, RecipeError
from gonkit.recipe import parse_recipe
from signals.image import Image
from signals.paired import Conditional
from tests.signals.conftest import all_signals

SMALL = {"width": 16, "layers": 2}, {"dim": 4}, {"steps": 3, "batch": 4, "compile": False}


def write_pictures(folder: Path, count: int = 6) -> Path:
    """Writes pictures of 40 columns and 30 rows that get brighter to the right and, half as much, downwards."""
    folder.mkdir()
    rows, columns = numpy.mgrid[0:30, 0:40]
    for number in range(count):
        pillow.fromarray((4 * columns + 2 * rows + number).astype(numpy.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(("fit", "brightness"), [("crop", (70, 146)), ("resize", (32, 184))])
def test_pictures_get_the_proportions_of_the_size(tmp_path: Path, fit: str, brightness: tuple[int, int]) -> None:
    write_pictures(tmp_path / "pictures")
    signal = Image(data=str(tmp_path / "pictures"), size=(30, 20), color="gray", fit=fit)
    values = signal.grid().unflatten(all_signals(signal.dataset("train")).values)
    assert values.shape[1:] == (30, 20, 1)
    row = values[0, 15, :, 0] * 255
    assert row.diff().min() > 0  # still brighter to the right
    assert (row[0].item(), row[-1].item()) == pytest.approx(brightness, abs=8)
    assert signal.to_object(values[0]).size == (20, 30)  # width first, as Pillow has it


def test_pixels_keep_their_proportions_at_every_resolution() -> None:
    signal = Image(size=(48, 64))
    for resolution, shape in ((None, (48, 64)), (24, (24, 32)), (50, (50, 66)), (96, (96, 128))):
        grid = signal.grid(resolution)
        assert grid.shape == shape
        down, right = grid.spacing.tolist()
        assert right / down == pytest.approx(48 / 64, rel=1e-5)
    assert Image(size=(48, 48)).grid(50).shape == (50, 50)
    for side in (8, 28, 33):  # squares are what they were
        assert torch.equal(Image(size=side).grid().coords, Grid.centers(side, side).coords)
        assert torch.equal(Image(size=7).grid(side).coords, Grid.centers(side, side).coords)
    with pytest.raises(GonkitError, match=r"resolution 3: .* 64×16 .* no column; use 4 or more"):
        Image(size=(64, 16)).grid(3)


@pytest.mark.parametrize("size", ["3", "[8]", "[8, 3]", "[8, 8, 8]", "[8, 8.5]", '"8"', "true"])
def test_sizes_that_are_none_are_refused(size: str) -> None:
    with pytest.raises(RecipeError, match=r"signal.size: got .*; expected pixels from 4: one number, or \[height"):
        parse_recipe(f'name = "x"\n[signal]\ntype = "signals.image:Image"\nsize = {size}')


def test_a_size_survives_the_stored_recipe() -> None:
    recipe = parse_recipe('name = "x"\n[signal]\ntype = "signals.image:Image"', ["signal.size=[8, 12]"])
    assert recipe.signal.model_dump()["size"] == (8, 12)
    assert parse_recipe(recipe.toml()) == recipe
    assert Image(size=[8, 12]) == Image(size=(8, 12))  # type: ignore[arg-type]


def test_rows_of_an_hdf5_file_fit_as_pictures_do(tmp_path: Path) -> None:
    pixels = numpy.random.default_rng(0).integers(0, 255, (10, 6, 9), dtype=numpy.uint8)
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file["values"] = pixels
    signal = Image(data=str(tmp_path / "wide.h5"), size=(6, 9), color="gray")
    dataset = signal.dataset("train")
    row = int(dataset.info.names_of(torch.tensor([0]))[0])
    assert torch.equal(all_signals(dataset).values[0, :, 0], torch.from_numpy(pixels[row]).flatten() / 255)
    cut = all_signals(Image(data=str(tmp_path / "wide.h5"), size=6, color="gray").dataset("train"))
    assert cut.values.shape[1:] == (36, 1)


def test_patches_of_photographs_have_any_shape() -> None:
    flat = all_signals(Image(data="photos", size=(8, 32)).dataset("test"))
    square = all_signals(Image(data="photos", size=16).dataset("test"))
    assert flat.values.shape[1:] == square.values.shape[1:] == (256, 3)
    assert len(flat) > 50


def test_a_model_decodes_and_tiles_pictures_that_are_not_square(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures")
    field, latent, train = SMALL
    table = {"type": "signals.image:Image", "data": str(folder), "size": [12, 16], "color": "gray"}
    recipe = {"name": "wide", "signal": table, "field": field, "latent": latent, "train": train}
    _, run = gonkit.train(recipe, out=tmp_path / "run", quiet=True)
    model = gonkit.load(run)
    assert {picture.size for picture in model.sample(2)} == {(16, 12)}
    assert {picture.size for picture in model.sample(2, resolution=30)} == {(40, 30)}
    whole, _ = model.reconstruct(folder / "0.png", tmp_path / "whole")
    assert pillow.open(whole).size == (40, 30)
    double, _ = model.reconstruct(folder / "0.png", tmp_path / "double", resolution=24)
    assert pillow.open(double).size == (80, 60)
    scaled, _ = model.reconstruct(folder / "0.png", tmp_path / "scaled", scaled=True)
    assert pillow.open(scaled).size == (16, 12)
    small = (numpy.asarray(pillow.open(whole)).astype(float), numpy.asarray(pillow.open(double)).astype(float))
    means = small[1].reshape(30, 2, 40, 2).mean((1, 3))
    assert numpy.abs(means - small[0]).mean() < 0.1 * small[0].std() + 1  # the same picture, and not another part of it
    assert main(["sample", str(run), "--resolution", "24", "--count", "1", "--out", str(tmp_path / "sample")]) == 0
    assert pillow.open(tmp_path / "sample/sample_00.png").size == (32, 24)


def test_sources_of_pairs_are_reduced_along_each_axis(tmp_path: Path) -> None:
    folder = str(write_pictures(tmp_path / "pictures"))
    target = Image(data=folder, size=(24, 32), color="gray")
    task = Conditional(target=target, source=Image(size=(6, 8), color="gray"), pairs="reduced")
    pair = task.dataset("train").pair(torch.tensor([0]))
    source = pair.target.source
    assert source is not None
    error = (source - pair.target.values).abs()  # a plane is interpolated exactly, but at the border
    assert target.grid().unflatten(error)[0, 4:-4, 4:-4].max() < 0.02
