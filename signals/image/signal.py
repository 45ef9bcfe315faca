"""Images: gray or color pixels on a regular grid. The example of a signal type to read first."""

from __future__ import annotations

__all__ = ["Image", "ImageMeasures", "load_photographs"]

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Literal

import h5py
import numpy
import torch
from PIL import Image as pillow
from PIL import ImageColor, ImageOps
from pydantic import Field, field_validator
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import (
    DatasetInfo,
    FileVersions,
    Grid,
    HDF5Rows,
    InMemoryDataset,
    IsPath,
    Measures,
    Metric,
    Signal,
    SignalDataset,
    Split,
    StreamingDataset,
    evenly_spaced,
    file_versions,
    files_below,
    files_in,
    folder_classes,
    folder_split,
    ignored_files,
    report_skipped_files,
    split_indices,
)
from gonkit.errors import GonkitError
from gonkit.metrics import ssim
from signals.image.files import ImageFiles, opened, upright_srgb

BUILT_IN = {"digits": 8, "photos": 16}  # name → pixels per side
# name → class in torchvision.datasets, pixels per side, channels
TORCHVISION = {"mnist": ("MNIST", 28, 1), "fashion": ("FashionMNIST", 28, 1), "cifar10": ("CIFAR10", 32, 3)}
MAX_VALIDATION = 2_000  # signals of a public training set that are held out for validation
DIGITS = tuple("0123456789")


class Image(Signal):
    """Square images with values in [0, 1] at pixel centers: c = (row, column), (i + ½)·2/size − 1 along each axis."""

    data: Annotated[str, IsPath(unless=(*BUILT_IN, *TORCHVISION))] = "digits"
    """"digits" (1,797 of 8×8, built in), "photos" (patches of seven photographs, built in), "mnist", "fashion",
    "cifar10", a folder of pictures, or an HDF5 file (.h5) with `values`, (N, H, W) or (N, H, W, C) uint8, and
    optionally `label`, (N,)."""
    root: Annotated[str, IsPath()] = "data"
    """Folder of the public data sets, laid out as torchvision does."""
    download: bool = False
    """Download a public data set that is missing."""
    size: Annotated[int, Field(ge=4)] | None = None
    """Pixels per side; None for a data set's own, 16 for patches, 64 for a folder or an HDF5 file."""
    color: Literal["gray", "rgb"] | None = None
    """None for a public data set's own, gray for digits, and otherwise RGB."""
    fit: Literal["crop", "resize"] = "crop"
    """How pictures of other shapes become square: cropped to the center, or resized without keeping proportions."""
    background: str = "white"
    """Color that shows where pictures are transparent: a name or "#rrggbb"."""
    stream: bool = False
    """Read the pictures of a folder when they are needed, in `train.workers` processes; those of HDF5 always are."""
    skip_bad: bool = False
    """Skip pictures that cannot be read, and report how many."""

    @field_validator("background")
    @classmethod
    def _validate_background(cls, background: str) -> str:
        ImageColor.getrgb(background)  # raises ValueError
        return background

    @property
    def channels(self) -> int:
        default = 1 if self.data == "digits" else TORCHVISION.get(self.data, ("", 0, 3))[2]
        return {"gray": 1, "rgb": 3, None: default}[self.color]

    def grid(self, resolution: int | None = None) -> Grid:
        side = resolution or self.resolved_size
        return Grid.centers(side, side)

    def dataset(self, split: Split) -> SignalDataset:
        if self.data == "digits":
            return self._digits(split)
        if self.data == "photos":
            return self._photos(split)
        if self.data in TORCHVISION:
            return self._torchvision(split)
        return self._hdf5(split) if Path(self.data).suffix in (".h5", ".hdf5") else self._folder(split)

    @property
    def resolved_size(self) -> int:
        """Pixels per side: `size`, or the default of the data set."""
        return self.size or BUILT_IN.get(self.data) or TORCHVISION.get(self.data, ("", 64, 0))[1]

    def to_object(self, values: Tensor, resolution: int | None = None) -> pillow.Image:
        pixels = values.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
        return pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)

    def to_values(self, picture: pillow.Image) -> Tensor:
        """(P, C) of a picture of any size and color mode."""
        return torch.from_numpy(numpy.array(self._to_square(picture))).reshape(-1, self.channels).float() / 255

    def preview(self, obj: pillow.Image) -> pillow.Image:
        return obj

    @property
    def files(self) -> ImageFiles:
        return ImageFiles(self)

    @property
    def measures(self) -> ImageMeasures:
        return ImageMeasures()

    def _digits(self, split: Split) -> SignalDataset:
        from sklearn.datasets import load_digits

        digits = load_digits()
        planes = (digits.images / 16 * 255).round().astype(numpy.uint8)
        info = DatasetInfo(labels=torch.from_numpy(digits.target), class_names=DIGITS)
        return self._select(self._split(len(planes), split), partial(self._read_row, planes), info)

    def _photos(self, split: Split) -> SignalDataset:
        """Adjacent patches of the photographs at half their size, one photograph after the other."""
        side = self.resolved_size
        patches, names = [], []
        for name, photo in load_photographs():
            small = self.to_mode(photo).resize((photo.width // 2, photo.height // 2), pillow.Resampling.BOX)
            for top in range(0, small.height - side + 1, side):
                for left in range(0, small.width - side + 1, side):
                    patches.append(small.crop((left, top, left + side, top + side)))
                    names.append(f"{name} at {left}, {top}")
        index = self._split(len(names), split)
        return self._select(index, lambda number: self.to_values(patches[number]), DatasetInfo(names))

    def _torchvision(self, split: Split) -> SignalDataset:
        from torchvision import datasets

        name = TORCHVISION[self.data][0]
        try:
            public = getattr(datasets, name)(self.root, train=split != "test", download=self.download)
        except RuntimeError:
            raise GonkitError(
                f"{name} is not in {Path(self.root).resolve()}, laid out as torchvision does; set signal.root to "
                "the folder where it is, or signal.download = true to fetch it"
            ) from None
        planes, labels = torch.as_tensor(public.data), torch.as_tensor(public.targets)
        if split != "test":
            held_out = evenly_spaced(min(MAX_VALIDATION, len(planes) // 10), len(planes))
            chosen = torch.isin(torch.arange(len(planes)), held_out, invert=split == "train")
            planes, labels = planes[chosen], labels[chosen]
        planes = planes.reshape(*planes.shape[:3], -1)  # (N, H, W, 1 or 3)
        if planes.shape[1:] == (self.resolved_size, self.resolved_size, self.channels):
            values = planes.flatten(1, 2).float().div_(255)
        else:
            values = torch.stack([self._read_row(planes.numpy(), number) for number in range(len(planes))])
        class_names = DIGITS if self.data == "mnist" else tuple(public.classes)
        return InMemoryDataset(Batch(self.grid().coords, values, label=labels), DatasetInfo(class_names=class_names))

    def _folder(self, split: Split) -> SignalDataset:
        folder = Path(self.data)
        paths = files_in(folder, ImageFiles.read_suffixes, "pictures", [*BUILT_IN, *TORCHVISION])
        pictures, problems = _read_all(self, file_versions(paths))
        note = report_skipped_files(problems, len(paths), "pictures", self.skip_bad)
        note = "; ".join(filter(None, (note, ignored_files(folder, ImageFiles.read_suffixes))))
        names = [path.relative_to(folder).as_posix() for path, _ in pictures]
        class_names, labels = folder_classes(names)
        files = files_below(folder, [path for path, _ in pictures])
        info = DatasetInfo(names, torch.tensor(labels) if labels else None, class_names, note, self.stream, files)
        return self._select(folder_split(folder, names, split), partial(self._read_picture, pictures), info)

    def _hdf5(self, split: Split) -> SignalDataset:
        path = Path(self.data)
        rows = HDF5Rows(path, "values")
        if rows.dtype != numpy.uint8 or len(rows.shape) not in (3, 4) or (*rows.shape, 1)[3] not in (1, 3):
            raise GonkitError(
                f"{path}: values must be (N, H, W) or (N, H, W, C) uint8, with C = 1 or 3; got {rows.shape} "
                f"{rows.dtype}"
            )
        count = rows.shape[0]
        labels = _read_labels(path, count)
        num_classes = 0 if labels is None else int(labels.max()) + 1
        names, classes = (tuple(map(str, range(number))) for number in (count, num_classes))
        info = DatasetInfo(names, labels, classes, streams=True, files=count * files_below(path.parent, [path]))
        return self._select(self._split(count, split), partial(self._read_row, rows), info)

    def _split(self, count: int, split: Split) -> Tensor:
        """Numbers of the signals of a split, of `count` without names."""
        try:
            return split_indices(count, split)
        except GonkitError as error:
            place = f"signal.size = {self.resolved_size}" if self.data == "photos" else self.data
            raise GonkitError(f"{place}: {error}") from None

    def _select(self, index: Tensor, read: Callable[[int], Tensor], info: DatasetInfo) -> SignalDataset:
        """The signals `index`: `read` gives the values (P, C) of each by its number."""
        info = info.subset(index)
        if info.streams:
            return StreamingDataset(read, index, self.grid(), info)
        values = torch.stack([read(number) for number in index.tolist()])
        return InMemoryDataset(Batch(self.grid().coords, values, label=info.labels), info)

    def _read_picture(self, pictures: Sequence[tuple[Path, pillow.Image | None]], number: int) -> Tensor:
        path, picture = pictures[number]
        return self.to_values(self.files.read(path) if picture is None else picture)

    def _read_row(self, rows: HDF5Rows | numpy.ndarray, number: int) -> Tensor:
        pixels = rows[number]  # (H, W) or (H, W, C)
        return self.to_values(pillow.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels))

    def to_mode(self, picture: pillow.Image) -> pillow.Image:
        """A picture as it is meant to be seen, in the color mode of the signal type."""
        return upright_srgb(picture, self.background).convert({1: "L", 3: "RGB"}[self.channels])

    def _to_square(self, picture: pillow.Image) -> pillow.Image:
        size = (self.resolved_size, self.resolved_size)
        make_square = ImageOps.fit if self.fit == "crop" else pillow.Image.resize
        return make_square(self.to_mode(picture), size, pillow.Resampling.LANCZOS)


class ImageMeasures(Measures):
    """Adds structural similarity."""

    def metrics(self) -> Mapping[str, Metric]:
        return {"ssim": lambda prediction, values: ssim(prediction.movedim(-1, 1), values.movedim(-1, 1), 1.0)}


@lru_cache(maxsize=1)
def load_photographs() -> list[tuple[str, pillow.Image]]:
    """Names and pictures of seven color photographs that scikit-image and scikit-learn include."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    planes = {name: getattr(data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
    planes["motorcycle"] = data.stereo_motorcycle()[0]
    planes["china"], planes["flower"] = load_sample_images().images
    return [(name, pillow.fromarray(plane)) for name, plane in planes.items()]


@lru_cache(maxsize=1)  # the three splits of a folder share one reading
def _read_all(signal: Image, files: FileVersions) -> tuple[list[tuple[Path, pillow.Image | None]], list[str]]:
    """Readable files, each with its square picture or with None to stream it; and messages about the other files."""
    pictures, problems = [], []
    for path, *_ in files:
        try:
            with opened(path) as picture:
                pictures.append((path, None if signal.stream else signal._to_square(picture)))
        except GonkitError as error:
            problems.append(str(error))
    return pictures, problems


def _read_labels(path: Path, count: int) -> Tensor | None:
    """(N,) labels of an HDF5 file of `count` signals, or None."""
    with h5py.File(path, "r") as file:
        if "label" not in file:
            return None
        labels = numpy.asarray(file["label"][()])
    if labels.shape != (count,) or not numpy.issubdtype(labels.dtype, numpy.integer):
        raise GonkitError(f"{path}: label must be ({count},) integers; got {labels.shape} {labels.dtype}")
    if (bad := (labels < 0) | (labels >= count)).any():
        first = int(bad.argmax())
        raise GonkitError(
            f"{path}: label must number the classes from 0, below the {count} signals; got {labels[first]} at row "
            f"{first}, {bad.sum()} such in all. Leave signals without a label out, or number them as a class"
        )
    return torch.from_numpy(labels.astype(numpy.int64))
