"""Images: embedded, public and one's own."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image as pillow
from sklearn.datasets import load_digits

from gonkit.run import main
from gonkit.signal import SignalError
from signals.image import Image
from tests.conftest import DATA, RECIPE


def photograph(path: Path, size: tuple[int, int], mode: str = "RGB") -> None:
    """A picture with a gradient in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    across = numpy.linspace(0, 255, size[0])[None].repeat(size[1], 0)
    pillow.fromarray(across.astype(numpy.uint8)).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten good pictures of mixed sizes, kinds and modes."""
    kinds = [("png", "RGB"), ("jpg", "L"), ("webp", "RGB"), ("jpeg", "RGB"), ("PNG", "P")]
    for i in range(10):
        suffix, mode = kinds[i % 5]
        photograph(tmp_path / "pictures" / f"{i}.{suffix}", (20 + 7 * i, 45 - 2 * i), mode)
    return tmp_path / "pictures"


def test_coordinates_are_pixel_centers() -> None:
    coords = Image(size=4).coords()
    assert coords[:, 0].unique().tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert coords[1].tolist() == [-0.75, -0.25]  # rows first
    assert Image(size=4).coords(9).shape == (81, 2)


def test_digits_are_scikit_learn_s_and_split_without_overlap() -> None:
    signal = Image()
    parts = [signal.dataset(split).data for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == 1797
    expected = torch.from_numpy(load_digits().images / 16).float().flatten(1).sum(0)
    found = torch.cat([part.values for part in parts]).squeeze(-1).sum(0)
    torch.testing.assert_close(found, expected, atol=4.0, rtol=0)  # rounding to 255 levels, 1,797 times
    assert parts[0].label is not None
    assert parts[0].label.unique().tolist() == list(range(10))


def test_rendering_inverts_reading() -> None:
    signal = Image()
    values = signal.dataset("test").data.values
    assert torch.equal(signal._values(signal.render(values[3])), values[3])


def test_a_folder_of_mixed_pictures_is_squared(folder: Path) -> None:
    for fit in ("crop", "resize"):
        for color, channels in (("gray", 1), ("rgb", 3)):
            signal = Image(data=str(folder), size=16, color=color, fit=fit)
            parts = [signal.dataset(split).data.values for split in ("train", "val", "test")]
            assert [len(part) for part in parts] == [8, 1, 1]
            assert parts[0].shape[1:] == (256, channels)
            assert 0 <= parts[0].min() < parts[0].max() <= 1


def test_cropping_keeps_proportions_and_resizing_keeps_edges(tmp_path: Path) -> None:
    photograph(tmp_path / "wide.png", (160, 40), "L")
    spans = {}
    for fit in ("crop", "resize"):
        values = Image(size=8, data=".", color="gray", fit=fit).load(tmp_path / "wide.png").values
        spans[fit] = (values.max() - values.min()).item()
    assert spans["crop"] < 0.3 < 0.8 < spans["resize"]


def test_sub_folders_become_labels(tmp_path: Path) -> None:
    for i in range(6):
        photograph(tmp_path / ("cats" if i % 2 else "ants") / f"{i}.png", (9, 9))
    signal = Image(data=str(tmp_path), size=8)
    parts = [signal.dataset(split) for split in ("train", "val", "test")]
    for part in parts:
        names = part.names(torch.arange(len(part)))
        assert part.data.label is not None
        assert [name.startswith("cats") for name in names] == [bool(label) for label in part.data.label]


def test_upright_as_the_camera_meant(tmp_path: Path) -> None:
    picture = pillow.fromarray(numpy.arange(64, dtype=numpy.uint8).reshape(8, 8))
    turned = picture.transpose(pillow.Transpose.ROTATE_90)
    exif = pillow.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    picture.save(tmp_path / "straight.png")
    signal = Image(size=8, data=".", color="gray")
    assert torch.equal(signal.load(tmp_path / "turned.png").values, signal.load(tmp_path / "straight.png").values)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    deep = numpy.linspace(0, 65535, 64).astype(numpy.uint16).reshape(8, 8)
    pillow.fromarray(deep).save(tmp_path / "deep.png")
    values = Image(size=8, data=".", color="gray").load(tmp_path / "deep.png").values
    torch.testing.assert_close(values.flatten(), torch.linspace(0, 1, 64), atol=0.005, rtol=0)


def test_corrupt_pictures_are_named_or_skipped_and_counted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "text.png").write_text("not a picture")
    whole = (folder / "3.jpeg").read_bytes()
    (folder / "torn.jpeg").write_bytes(whole[: len(whole) // 2])
    recipe = tmp_path / "own.toml"
    recipe.write_text(RECIPE.replace('"digits"', f'"{folder}"\nsize = 8'))
    assert main([str(recipe), "--out", str(tmp_path / "run"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "2 of 12" in said
    assert "text.png" in said
    assert "torn.jpeg" in said
    assert "--skip-bad" in said
    assert not (tmp_path / "run").exists()
    assert main([str(recipe), "--out", str(tmp_path / "run"), "--quiet", "--skip-bad"]) == 0
    assert "2 of 12 pictures could not be used" in capsys.readouterr().out
    assert "2 of 12 pictures" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(("count", "needle"), [(0, "no pictures in it"), (1, "at least 3")])
def test_too_few_pictures_are_refused(tmp_path: Path, count: int, needle: str) -> None:
    for i in range(count):
        photograph(tmp_path / f"{i}.png", (9, 9))
    with pytest.raises(SignalError, match=needle):
        Image(data=str(tmp_path)).dataset("train")


def idx(path: Path, array: numpy.ndarray) -> None:
    """The format of MNIST's files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.mark.parametrize(("data", "name"), [("mnist", "MNIST"), ("fashion", "FashionMNIST")])
def test_public_data_are_read_where_torchvision_lays_them(tmp_path: Path, data: str, name: str) -> None:
    planes = numpy.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(numpy.uint8)
    labels = (numpy.arange(50) % 10).astype(numpy.uint8)
    for part in ("train", "t10k"):
        idx(tmp_path / name / "raw" / f"{part}-images-idx3-ubyte", planes)
        idx(tmp_path / name / "raw" / f"{part}-labels-idx1-ubyte", labels)
    signal = Image(data=data, root=str(tmp_path))
    sizes = {split: len(signal.dataset(split)) for split in ("train", "val", "test")}
    assert sizes == {"train": 45, "val": 5, "test": 50}
    values = signal.dataset("test").data.values
    torch.testing.assert_close(values[7].flatten(), torch.from_numpy(planes[7]).flatten().float() / 255)
    assert Image(data=data, root=str(tmp_path), size=14, color="rgb").dataset("test").data.values.shape == (50, 196, 3)


def test_cifar_is_read_where_torchvision_lays_it(tmp_path: Path) -> None:
    with pytest.raises(SignalError, match=r"CIFAR10 is not in .*signal\.root"):
        Image(data="cifar10", root=str(tmp_path)).dataset("train")
    assert Image(data="cifar10").channels == 3
    assert Image(data="cifar10").side == 32


@pytest.mark.skipif(not (DATA / "MNIST" / "raw").is_dir(), reason="MNIST is not beside the project")
def test_mnist_itself() -> None:
    signal = Image(data="mnist", root=str(DATA))
    test = signal.dataset("test").data
    assert test.values.shape == (10_000, 784, 1)
    assert abs(test.values.mean().item() - 0.1325) < 1e-3  # of the 10,000 test pictures
    assert signal.metrics()["ssim"](*[test.values[:8].unflatten(1, signal.grid())] * 2).tolist() == pytest.approx(
        [1.0] * 8
    )
