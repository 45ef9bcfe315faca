"""Images: gray or color pixels on a regular grid. The example of a signal type to read first."""

from __future__ import annotations

__all__ = ["Image", "ImageMeasures"]

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy
import torch
from PIL import Image as pillow
from PIL import ImageColor, ImageOps
from pydantic import BeforeValidator, field_validator, model_validator
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import (
    DatasetInfo,
    FileVersions,
    Grid,
    HDF5Rows,
    InMemoryDataset,
    IsPath,
    LabeledFolder,
    LabelRule,
    Measures,
    Metric,
    OwnRecipesOnly,
    Sections,
    Signal,
    SignalDataset,
    Split,
    StreamingDataset,
    file_versions,
    files_below,
    split_indices,
)
from gonkit.errors import GonkitError
from gonkit.metrics import ssim
from signals.image.files import (
    AlphaImageFiles,
    ImageFiles,
    hide_colors,
    opened,
    over_background,
    upright_srgb,
    upright_srgba,
)
from signals.image.sources import BUILT_IN, DIGITS, TORCHVISION, load_photographs, read_hdf5_labels, read_torchvision


def _parse_size(size: Any) -> Any:
    """A size with a tuple where a recipe has a list."""
    sides = size if isinstance(size, list | tuple) else (size, size)
    if size is not None and (len(sides) != 2 or any(type(side) is not int or side < 4 for side in sides)):
        raise ValueError(f"got {size!r}; expected pixels from 4: one number, or [height, width]")
    return tuple(size) if isinstance(size, list) else size


class Image(Signal):
    """Images with values in [0, 1] at pixel centers: c = (row, column), (i + ½)·2/n − 1 along an axis of n pixels.

    Each axis fills [-1, 1], whatever the proportions, so that pictures of one scene coincide at every size. A
    resolution is the height in pixels; the width follows, and pixels stay as they are, so that a last column or row
    that would not be whole is left out.
    """

    data: Annotated[str, IsPath(unless=(*BUILT_IN, *TORCHVISION))] = "digits"
    """"digits" (1,797 of 8×8, built in), "photos" (patches of seven photographs, built in), "mnist", "fashion",
    "cifar10", a folder of pictures, or an HDF5 file (.h5) with `values`, (N, H, W) or (N, H, W, C) uint8, and
    optionally `label`, (N,)."""
    root: Annotated[str, IsPath()] = "data"
    """Folder of the public data sets, laid out as torchvision does."""
    download: Annotated[bool, OwnRecipesOnly()] = False
    """Download a public data set that is missing."""
    size: Annotated[int | tuple[int, int] | None, BeforeValidator(_parse_size)] = None
    """Pixels: one number for squares, or [height, width], each from 4; None for a data set's own size, 16 for patches,
    64 for a folder or an HDF5 file."""
    color: Literal["gray", "rgb", "rgba"] | None = None
    """None for a public data set's own, gray for digits, and otherwise RGB. "rgba" keeps alpha, as a fourth channel;
    where it is next to zero the color is the background."""
    fit: Literal["crop", "resize"] = "crop"
    """How pictures of other proportions get those of `size`: cropped to the center, or resized without keeping them."""
    label: LabelRule = None
    """What labels the pictures of a folder: the first folder below those of splits; "folder:2" or "folder:-1", another
    one; a pattern of their names such as "{label}_{take}"; or a .csv file with the columns file and label."""
    background: str = "white"
    """Color that shows where pictures are transparent: a name or "#rrggbb". With "rgba" it shows in previews only, and
    no file is JPEG."""
    stream: bool = False
    """Read the pictures of a folder when they are needed, in `train.workers` processes; those of HDF5 always are."""
    skip_bad: bool = False
    """Skip pictures that cannot be read, and report how many."""

    @field_validator("background")
    @classmethod
    def _validate_background(cls, background: str) -> str:
        ImageColor.getrgb(background)  # raises ValueError
        return background

    @model_validator(mode="after")
    def _validate_label(self) -> Self:
        if self.label is not None and not self._is_folder:
            raise ValueError(f"label: says how a folder is labeled; {self.data} has labels of its own, or none")
        return self

    @property
    def channels(self) -> int:
        default = 1 if self.data == "digits" else TORCHVISION.get(self.data, ("", 0, 3))[2]
        return {"gray": 1, "rgb": 3, "rgba": 4, None: default}[self.color]

    def grid(self, resolution: int | None = None) -> Grid:
        """Pixel centers, at `resolution` pixels from top to bottom.

        Raises:
            GonkitError: a resolution so low that not one column is left.
        """
        height, width = self.resolved_size
        columns = Fraction(width * (resolution or height), height)
        if columns < 1:
            raise GonkitError(
                f"resolution {resolution}: it is the height, and pictures of {height}×{width} (height × width) then "
                f"have no column; use {-(-height // width)} or more"
            )
        return Grid.centers(resolution or height, columns)

    def dataset(self, split: Split) -> SignalDataset:
        if self.data == "digits":
            return self._digits(split)
        if self.data == "photos":
            return self._photos(split)
        if self.data in TORCHVISION:
            return self._torchvision(split)
        return self._folder(split) if self._is_folder else self._hdf5(split)

    @property
    def _is_folder(self) -> bool:
        return self.data not in (*BUILT_IN, *TORCHVISION) and Path(self.data).suffix not in (".h5", ".hdf5")

    @property
    def resolved_size(self) -> tuple[int, int]:
        """Height and width in pixels: `size`, or the default of the data set."""
        size = self.size or BUILT_IN.get(self.data) or TORCHVISION.get(self.data, ("", 64, 0))[1]
        return (size, size) if isinstance(size, int) else size

    def to_object(self, values: Tensor, resolution: int | None = None) -> pillow.Image:
        pixels = values.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
        return pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)

    def to_values(self, picture: pillow.Image) -> Tensor:
        """(P, C) of a picture of any size and color mode."""
        return torch.from_numpy(numpy.array(self._to_size(picture))).reshape(-1, self.channels).float() / 255

    def preview(self, obj: pillow.Image) -> pillow.Image:
        return over_background(obj, self.background) if obj.mode == "RGBA" else obj

    @property
    def suggested_recipe(self) -> Sections:
        return {"latent": {"dim": 128}, "train": {"steps": 5000, "points": 1024}}

    @property
    def files(self) -> ImageFiles:
        return AlphaImageFiles(self) if self.channels == 4 else ImageFiles(self)

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
        height, width = self.resolved_size
        patches, names = [], []
        for name, photo in load_photographs():
            small = self.to_mode(photo).resize((photo.width // 2, photo.height // 2), pillow.Resampling.BOX)
            for top in range(0, small.height - height + 1, height):
                for left in range(0, small.width - width + 1, width):
                    patches.append(small.crop((left, top, left + width, top + height)))
                    names.append(f"{name} at {left}, {top}")
        index = self._split(len(names), split)
        return self._select(index, lambda number: self.to_values(patches[number]), DatasetInfo(names))

    def _torchvision(self, split: Split) -> SignalDataset:
        planes, labels, class_names = read_torchvision(self.data, Path(self.root), self.download, split)
        if planes.shape[1:] == (*self.resolved_size, self.channels):
            values = planes.flatten(1, 2).float().div_(255)
        else:
            values = torch.stack([self._read_row(planes.numpy(), number) for number in range(len(planes))])
        return InMemoryDataset(Batch(self.grid().coords, values, label=labels), DatasetInfo(class_names=class_names))

    def _folder(self, split: Split) -> SignalDataset:
        words, folder = [*BUILT_IN, *TORCHVISION], Path(self.data)
        found = LabeledFolder.find(folder, ImageFiles.read_suffixes, "pictures", self.label, words)
        pictures, problems = _read_all(self, file_versions(found.paths))
        note = found.note(problems, self.skip_bad)
        names = [found.name(path) for path, _ in pictures]
        class_names, labels = found.classes(names)
        files = files_below(folder, [path for path, _ in pictures])
        info = DatasetInfo(names, torch.tensor(labels) if labels else None, class_names, note, self.stream, files)
        return self._select(found.split(names, split), partial(self._read_picture, pictures), info)

    def _hdf5(self, split: Split) -> SignalDataset:
        path = Path(self.data)
        rows = HDF5Rows(path, "values")
        allowed = (1, 3, 4) if self.channels == 4 else (1, 3)
        if rows.dtype != numpy.uint8 or len(rows.shape) not in (3, 4) or (*rows.shape, 1)[3] not in allowed:
            alpha = "" if self.channels == 4 else ' (or 4, with signal.color = "rgba")'
            raise GonkitError(
                f"{path}: values must be (N, H, W) or (N, H, W, C) uint8, with C = {' or '.join(map(str, allowed))}"
                f"{alpha}; got {rows.shape} {rows.dtype}"
            )
        count = rows.shape[0]
        labels = read_hdf5_labels(path, count)
        num_classes = 0 if labels is None else int(labels.max()) + 1
        names, classes = (tuple(map(str, range(number))) for number in (count, num_classes))
        info = DatasetInfo(names, labels, classes, streams=True, files=count * files_below(path.parent, [path]))
        return self._select(self._split(count, split), partial(self._read_row, rows), info)

    def _split(self, count: int, split: Split) -> Tensor:
        """Numbers of the signals of a split, of `count` without names."""
        try:
            return split_indices(count, split)
        except GonkitError as error:
            place = f"signal.size = {list(self.resolved_size)}" if self.data == "photos" else self.data
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
        if self.channels == 4:
            return upright_srgba(picture, self.background)
        return upright_srgb(picture, self.background).convert({1: "L", 3: "RGB"}[self.channels])

    def _to_size(self, picture: pillow.Image) -> pillow.Image:
        height, width = self.resolved_size
        change = ImageOps.fit if self.fit == "crop" else pillow.Image.resize
        resized = change(self.to_mode(picture), (width, height), pillow.Resampling.LANCZOS)
        return hide_colors(resized, self.background) if self.channels == 4 else resized


class ImageMeasures(Measures):
    """Adds structural similarity."""

    def metrics(self) -> Mapping[str, Metric]:
        return {"ssim": lambda prediction, values: ssim(prediction.movedim(-1, 1), values.movedim(-1, 1), 1.0)}


@lru_cache(maxsize=1)  # the three splits of a folder share one reading
def _read_all(signal: Image, files: FileVersions) -> tuple[list[tuple[Path, pillow.Image | None]], list[str]]:
    """Readable files, each with its picture at the training size or None to stream it; and messages on other files."""
    pictures, problems = [], []
    for path, *_ in files:
        try:
            with opened(path) as picture:
                pictures.append((path, None if signal.stream else signal._to_size(picture)))
        except GonkitError as error:
            problems.append(str(error))
    return pictures, problems
