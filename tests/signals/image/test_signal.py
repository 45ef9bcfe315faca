"""Images: built-in and public data sets, folders of pictures, and HDF5 files."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy
import pytest
import torch
from PIL import Image as pillow
from sklearn.datasets import load_digits

from gonkit.errors import GonkitError
from gonkit.run import main
from signals.image import Image
from tests.conftest import real_data
from tests.signals.conftest import all_names, all_signals


def write_picture(path: Path, size: tuple[int, int], mode: str = "RGB") -> None:
    """Writes a horizontal gradient."""
    path.parent.mkdir(parents=True, exist_ok=True)
    gradient = numpy.linspace(0, 255, size[0])[None].repeat(size[1], 0)
    pillow.fromarray(gradient.astype(numpy.uint8)).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten valid pictures of mixed sizes, formats and modes."""
    formats = [("png", "RGB"), ("jpg", "L"), ("webp", "RGB"), ("jpeg", "RGB"), ("PNG", "P")]
    for i in range(10):
        suffix, mode = formats[i % 5]
        write_picture(tmp_path / "pictures" / f"{i}.{suffix}", (20 + 7 * i, 45 - 2 * i), mode)
    return tmp_path / "pictures"


def test_coordinates_are_pixel_centers() -> None:
    coords = Image(size=4).grid().coords
    assert coords[:, 0].unique().tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert coords[1].tolist() == [-0.75, -0.25]  # rows first
    assert Image(size=4).grid(9).coords.shape == (81, 2)


def test_digits_are_those_of_scikit_learn_and_splits_do_not_overlap() -> None:
    signal = Image()
    train, val, test = (all_signals(signal.dataset(split)) for split in ("train", "val", "test"))
    assert len(train) + len(val) + len(test) == 1797
    expected = torch.from_numpy(load_digits().images / 16).float().flatten(1).sum(0)
    total = torch.cat([part.values for part in (train, val, test)]).squeeze(-1).sum(0)
    torch.testing.assert_close(total, expected, atol=4.0, rtol=0)  # rounding to 255 levels, 1,797 times
    assert train.label is not None
    assert train.label.unique().tolist() == list(range(10))


def test_to_values_inverts_to_object() -> None:
    signal = Image()
    values = all_signals(signal.dataset("test")).values
    assert torch.equal(signal.to_values(signal.to_object(signal.grid().unflatten(values[3]))), values[3])


@pytest.mark.parametrize("fit", ["crop", "resize"])
@pytest.mark.parametrize(("color", "channels"), [("gray", 1), ("rgb", 3)])
def test_pictures_of_mixed_sizes_become_square(folder: Path, fit: str, color: str, channels: int) -> None:
    signal = Image(data=str(folder), size=16, color=color, fit=fit)
    parts = [all_signals(signal.dataset(split)).values for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [8, 1, 1]
    assert parts[0].shape[1:] == (256, channels)
    assert 0 <= parts[0].min() < parts[0].max() <= 1


def test_crop_keeps_proportions_and_resize_keeps_edges(tmp_path: Path) -> None:
    write_picture(tmp_path / "wide.png", (160, 40), "L")
    ranges = {}
    for fit in ("crop", "resize"):
        values = Image(size=8, data=".", color="gray", fit=fit).files.load(tmp_path / "wide.png").values
        ranges[fit] = (values.max() - values.min()).item()
    assert ranges["crop"] < 0.3 < 0.8 < ranges["resize"]


def test_sub_folders_become_labels(tmp_path: Path) -> None:
    for i in range(6):
        write_picture(tmp_path / ("cats" if i % 2 else "ants") / f"{i}.png", (9, 9))
    signal = Image(data=str(tmp_path), size=8)
    for split in ("train", "val", "test"):
        dataset = signal.dataset(split)
        label = all_signals(dataset).label
        assert label is not None
        assert [name.startswith("cats") for name in all_names(dataset)] == [bool(one) for one in label]


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    picture = pillow.fromarray(numpy.arange(64, dtype=numpy.uint8).reshape(8, 8))
    rotated = picture.transpose(pillow.Transpose.ROTATE_90)
    exif = pillow.Exif()
    exif[0x0112] = 6  # to be rotated by 90° clockwise
    rotated.save(tmp_path / "rotated.png", exif=exif)
    picture.save(tmp_path / "upright.png")
    files = Image(size=8, data=".", color="gray").files
    assert torch.equal(files.load(tmp_path / "rotated.png").values, files.load(tmp_path / "upright.png").values)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    deep = numpy.linspace(0, 65535, 64).astype(numpy.uint16).reshape(8, 8)
    pillow.fromarray(deep).save(tmp_path / "deep.png")
    values = Image(size=8, data=".", color="gray").files.load(tmp_path / "deep.png").values
    torch.testing.assert_close(values.flatten(), torch.linspace(0, 1, 64), atol=0.005, rtol=0)


def test_corrupt_pictures_are_named_or_skipped_and_counted(
    folder: Path, recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "text.png").write_text("not a picture")
    content = (folder / "3.jpeg").read_bytes()
    (folder / "torn.jpeg").write_bytes(content[: len(content) // 2])
    arguments = [str(recipe(('"digits"', f'"{folder}"\nsize = 8'))), "--out", str(tmp_path / "run"), "--quiet"]
    assert main(arguments) == 2
    message = capsys.readouterr().err
    for part in ("2 of 12", "text.png", "torn.jpeg", "--skip-bad"):
        assert part in message
    assert not (tmp_path / "run").exists()
    assert main([*arguments, "--skip-bad"]) == 0
    assert "2 of 12 pictures could not be used" in capsys.readouterr().out
    assert "2 of 12 pictures" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(("count", "message"), [(0, "no pictures in it"), (1, "at least 3")])
def test_too_few_pictures_are_refused(tmp_path: Path, count: int, message: str) -> None:
    for i in range(count):
        write_picture(tmp_path / f"{i}.png", (9, 9))
    with pytest.raises(GonkitError, match=message):
        Image(data=str(tmp_path)).dataset("train")


def test_a_streamed_folder_gives_the_same_signals(folder: Path) -> None:
    for i in range(20):
        write_picture(folder / ("even" if i % 2 == 0 else "odd") / f"{i:02d}.png", (12 + i, 30))
    for path in folder.glob("*.*"):
        path.unlink()
    in_memory, streamed = (Image(data=str(folder), size=8, stream=stream).dataset("train") for stream in (False, True))
    assert not in_memory.info.streams
    assert streamed.info.streams
    assert len(streamed) == len(in_memory) == 16
    index = torch.tensor([5, 0, 11])
    a, b = in_memory.batch(index), streamed.batch(index)
    assert torch.equal(a.values, b.values)
    assert a.label is not None
    assert b.label is not None
    assert torch.equal(a.label, b.label)
    assert streamed.info.names_of(index) == in_memory.info.names_of(index)
    assert streamed.info.class_names == in_memory.info.class_names == ("even", "odd")


def test_a_streamed_folder_is_checked_at_the_start(folder: Path) -> None:
    (folder / "99.png").write_bytes(b"no picture")
    with pytest.raises(GonkitError, match=r"1 of 11 pictures cannot be used"):
        Image(data=str(folder), stream=True).dataset("train")


def write_hdf5(path: Path, values: numpy.ndarray, **others: numpy.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in {"values": values, **others}.items():
            file[name] = array
    return path


@pytest.mark.parametrize(("shape", "color"), [((), "gray"), ((1,), "gray"), ((3,), "rgb")])
def test_pictures_of_an_hdf5_file(tmp_path: Path, shape: tuple[int, ...], color: str) -> None:
    pixels = numpy.random.default_rng(0).integers(0, 255, (40, 8, 8, *shape), dtype=numpy.uint8)
    path = write_hdf5(tmp_path / "pictures.h5", pixels, label=numpy.arange(40) % 3)
    signal = Image(data=str(path), color=color, size=8)
    train, val, test = (signal.dataset(split) for split in ("train", "val", "test"))
    assert [len(part) for part in (train, val, test)] == [32, 4, 4]
    assert train.info.streams
    row = int(all_names(train)[3])
    expected = torch.from_numpy(pixels[row]).view(64, -1).float() / 255
    batch = train.batch(torch.tensor([3]))
    torch.testing.assert_close(batch.values[0], expected)
    assert batch.label is not None
    assert batch.label.tolist() == [row % 3]
    assert train.info.labels is not None
    assert train.info.class_names == ("0", "1", "2")


def test_an_hdf5_file_of_the_wrong_form_is_refused(tmp_path: Path) -> None:
    floats = write_hdf5(tmp_path / "floats.h5", numpy.zeros((9, 4, 4), numpy.float32))
    expected = (
        r"floats\.h5: values must be \(N, H, W\) or \(N, H, W, C\) uint8, with C = 1 or 3 .*; got \(9, 4, 4\) float32"
    )
    with pytest.raises(GonkitError, match=expected):
        Image(data=str(floats)).dataset("train")
    short = write_hdf5(tmp_path / "short.h5", numpy.zeros((9, 4, 4), numpy.uint8), label=numpy.zeros(5, int))
    with pytest.raises(GonkitError, match=r"short\.h5: label must be \(9,\) integers; got \(5,\) int64"):
        Image(data=str(short)).dataset("train")
    (tmp_path / "broken.h5").write_bytes(b"no")
    with pytest.raises(GonkitError, match=r"broken\.h5: cannot be read as an HDF5 file"):
        Image(data=str(tmp_path / "broken.h5")).dataset("train")


@pytest.mark.parametrize("shape", [(9, 3, 8, 8), (9, 1, 8, 8), (9, 8, 8, 2)])
def test_an_hdf5_file_with_channels_elsewhere_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_hdf5(tmp_path / "chw.h5", numpy.zeros(shape, numpy.uint8))
    with pytest.raises(GonkitError, match=r"chw\.h5: values must be .* with C = 1 or 3 .*; got \(9"):
        Image(data=str(path)).dataset("train")


@pytest.mark.parametrize(
    ("label", "needle"),
    [
        ([0, 1, -1, 2, -1, 0, 1, 2, 0], "got -1 at row 2, 2 such in all"),
        ([0, 1, 900, 2, 0, 0, 1, 2, 0], "got 900 at row 2, 1 such in all"),
        ([0.0, 1.0, 0.5] * 3, r"must be \(9,\) integers; got \(9,\) float64"),
    ],
)
def test_labels_that_are_no_class_numbers_are_named(tmp_path: Path, label: list[float], needle: str) -> None:
    path = write_hdf5(tmp_path / "neg.h5", numpy.zeros((9, 8, 8), numpy.uint8), label=numpy.array(label))
    with pytest.raises(GonkitError, match=rf"neg\.h5: label .*{needle}"):
        Image(data=str(path)).dataset("train")


def test_splits_and_classes_of_a_folder_of_folders(tmp_path: Path) -> None:
    for number, name in enumerate(["train/cat", "train/dog", "test/cat", "test/dog"]):
        (tmp_path / name).mkdir(parents=True)
        for k in range(4):
            pillow.new("L", (8, 8), 50 * number + k).save(tmp_path / name / f"{k}.png")
    pillow.new("L", (8, 8)).save(tmp_path / "train/dog/ignored.ppm")
    signal = Image(data=str(tmp_path), size=8)
    parts = {split: signal.dataset(split) for split in ("train", "val", "test")}
    assert [len(part) for part in parts.values()] == [7, 1, 8]
    assert all(name.startswith("test/") for name in all_names(parts["test"]))
    assert parts["train"].info.class_names == ("cat", "dog")
    assert parts["train"].info.note == "not read: 1 .ppm"


def test_pictures_are_labeled_and_split_by_a_table(tmp_path: Path) -> None:
    for number in range(8):
        write_picture(tmp_path / f"p{number}.png", (9, 9))
    splits = ["train"] * 4 + ["val", "test", "test"]
    rows = [f"p{number}.png,{'odd' if number % 2 else 'even'},{split}" for number, split in enumerate(splits)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,split", *rows]))
    signal = Image(data=str(tmp_path), size=8, label="labels.csv")
    test = signal.dataset("test")
    assert all_names(test) == ["p5.png", "p6.png"]
    assert all_signals(test).label == pytest.approx([1, 0])
    assert test.info.class_names == ("even", "odd")
    assert "1 pictures are not in" in test.info.note
    assert len(signal.dataset("train")) == 4
    named = Image(data=str(tmp_path), size=8, label="p{label}").dataset("train")
    assert named.info.class_names == tuple("01234567")


def write_idx(path: Path, array: numpy.ndarray) -> None:
    """Writes the file format of MNIST."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.mark.parametrize(("data", "name"), [("mnist", "MNIST"), ("fashion", "FashionMNIST")])
def test_public_data_are_read_from_the_layout_of_torchvision(tmp_path: Path, data: str, name: str) -> None:
    planes = numpy.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(numpy.uint8)
    labels = (numpy.arange(50) % 10).astype(numpy.uint8)
    for part in ("train", "t10k"):
        write_idx(tmp_path / name / "raw" / f"{part}-images-idx3-ubyte", planes)
        write_idx(tmp_path / name / "raw" / f"{part}-labels-idx1-ubyte", labels)
    signal = Image(data=data, root=str(tmp_path))
    sizes = {split: len(signal.dataset(split)) for split in ("train", "val", "test")}
    assert sizes == {"train": 45, "val": 5, "test": 50}
    values = all_signals(signal.dataset("test")).values
    torch.testing.assert_close(values[7].flatten(), torch.from_numpy(planes[7]).flatten().float() / 255)
    other = Image(data=data, root=str(tmp_path), size=14, color="rgb")
    assert all_signals(other.dataset("test")).values.shape == (50, 196, 3)


def test_missing_public_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(GonkitError, match=r"CIFAR10 is not in .*signal\.root"):
        Image(data="cifar10", root=str(tmp_path)).dataset("train")
    assert Image(data="cifar10").channels == 3
    assert Image(data="cifar10").resolved_size == (32, 32)


def test_mnist() -> None:
    signal = Image(data="mnist", root=str(real_data("MNIST").parent))
    values = all_signals(signal.dataset("test")).values
    assert values.shape == (10_000, 784, 1)
    assert abs(values.mean().item() - 0.1325) < 1e-3  # of the 10,000 test pictures
    pictures = signal.grid().unflatten(values[:8])
    assert signal.measures.metrics()["ssim"](pictures, pictures).tolist() == pytest.approx([1.0] * 8, abs=1e-5)


def test_ssim_of_equal_images_is_one() -> None:
    signal = Image(data="photos")
    values = signal.grid().unflatten(all_signals(signal.dataset("test")).values[:8])
    assert signal.measures.metrics()["ssim"](values, values).tolist() == pytest.approx([1.0] * 8, abs=1e-5)
