"""Images: pixels of gray or color on a regular grid."""

from __future__ import annotations

__all__ = ["Image"]

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import h5py
import numpy
import torch
from einops import rearrange
from PIL import Image as pillow
from PIL import ImageOps
from pydantic import Field
from torch import Tensor

from gonkit.metrics import ssim
from gonkit.signal import Batch, Resident, Sample, Signal, SignalError, SignalSet, Split, note_bad, split_indices
from gonkit.streaming import Rows, Streamed
from gonkit.tiles import Whole

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
EMBEDDED = {"digits": 8, "photos": 16}  # and their pixels a side
DIGITS = tuple("0123456789")
PUBLIC = {"mnist": ("MNIST", 28, "gray"), "fashion": ("FashionMNIST", 28, "gray"), "cifar10": ("CIFAR10", 32, "rgb")}
VALIDATION = 2_000  # of a public data set's training part, spread evenly over it


class Image(Signal):
    """Square images with values in [0, 1] at pixel *centers*: c = (row, column), (i + ½)·2/size − 1."""

    coord_dim: ClassVar[int] = 2
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".webp")
    reads: ClassVar[frozenset[str]] = frozenset(SUFFIXES)

    data: str = "digits"
    """"digits" (1,797 of 8×8, embedded), "photos" (patches of seven photographs, embedded), "mnist", "fashion",
    "cifar10", a folder of pictures, or an HDF5 file (.h5) with `values`, (N, H, W) or (N, H, W, C) of eight bits, and
    perhaps `label`, (N,)."""
    root: str = "data"
    """Where public data sets lie, as torchvision lays them out."""
    download: bool = False
    """Fetch a public data set that is not there."""
    size: Annotated[int, Field(ge=4)] | None = None
    """Pixels a side; None for a data set's own, 16 for patches, 64 for a folder."""
    color: Literal["gray", "rgb"] | None = None
    """None for a public data set's own, "rgb" for a folder."""
    fit: Literal["crop", "resize"] = "crop"
    """How pictures of other shapes become square: cut to the middle, or squeezed."""
    stream: bool = False
    """Read the pictures of a folder when they are needed, by `train.workers` processes, instead of keeping all in
    memory. Those of an HDF5 file always are."""
    skip_bad: bool = False
    """Leave out pictures that cannot be read, and say how many."""

    @property
    def side(self) -> int:
        """Pixels a side."""
        return self.size or EMBEDDED.get(self.data) or PUBLIC.get(self.data, ("", 64, ""))[1]

    @property
    def channels(self) -> int:
        own = "gray" if self.data == "digits" else PUBLIC.get(self.data, ("", 0, "rgb"))[2]
        return {"gray": 1, "rgb": 3}[self.color or own]

    def absolute(self) -> Self:
        named = self.data in EMBEDDED or self.data in PUBLIC
        paths = {"root": str(Path(self.root).resolve())}
        return self.model_copy(update=paths if named else paths | {"data": str(Path(self.data).resolve())})

    def coords(self, resolution: int | None = None) -> Tensor:
        size = resolution or self.side
        axis = (torch.arange(size) + 0.5) * (2 / size) - 1
        return rearrange(torch.stack(torch.meshgrid(axis, axis, indexing="ij")), "d h w -> (h w) d")

    def grid(self, resolution: int | None = None) -> tuple[int, int]:
        return (resolution or self.side,) * 2

    def dataset(self, split: Split) -> SignalSet:
        if self.data == "digits":
            return self._digits(split)
        if self.data == "photos":
            return self._photos(split)
        if self.data in PUBLIC:
            return self._public(split)
        return self._rows(split) if Path(self.data).suffix in (".h5", ".hdf5") else self._folder(split)

    def render(self, values: Tensor, resolution: int | None = None) -> pillow.Image:
        return _to_pillow(values.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy())

    def picture(self, thing: pillow.Image) -> pillow.Image:
        return thing

    def load(self, path: Path) -> Sample:
        return Sample(self._values(self._squared(self._read(path))), name=path.stem)

    def open(self, path: Path) -> _Picture:
        return _Picture(self, path)

    def save(self, thing: pillow.Image, stem: Path, suffix: str | None = None) -> Path:
        path = stem.with_name(stem.name + (suffix or self.suffixes[0]))
        thing.save(path, quality=95)
        return path

    def metrics(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        def structural(prediction: Tensor, values: Tensor) -> Tensor:
            x, y = (rearrange(t, "b h w c -> b c h w") for t in (prediction, values))
            return ssim(x, y, span=1.0)

        return {"ssim": structural}

    def _digits(self, split: Split) -> Resident:
        from sklearn.datasets import load_digits

        digits = load_digits()
        index = split_indices(len(digits.images), split)
        eight = (digits.images[index] / 16 * 255).round().astype(numpy.uint8)
        labels = torch.from_numpy(digits.target)[index]
        return self._resident([_to_pillow(plane[..., None]) for plane in eight], labels, classes=DIGITS)

    def _photos(self, split: Split) -> Resident:
        """Patches side by side of photographs at half their size, the pictures in turn."""
        patches, names = [], []
        for name, photo in _photographs():
            half = self._colored(photo).resize((photo.width // 2, photo.height // 2), pillow.Resampling.BOX)
            for top in range(0, half.height - self.side + 1, self.side):
                for left in range(0, half.width - self.side + 1, self.side):
                    patches.append(half.crop((left, top, left + self.side, top + self.side)))
                    names.append(f"{name} at {left}, {top}")
        try:
            index = split_indices(len(patches), split)
        except SignalError as error:
            raise SignalError(f"signal.size = {self.side}: {error}") from None
        return self._resident([patches[i] for i in index], names=[names[i] for i in index])

    def _public(self, split: Split) -> Resident:
        from torchvision import datasets

        name, _, _ = PUBLIC[self.data]
        try:
            found = getattr(datasets, name)(self.root, train=split != "test", download=self.download)
        except RuntimeError:
            raise SignalError(
                f"{name} is not in {Path(self.root).resolve()}, laid out as torchvision does; set signal.root to "
                "the folder where it is, or signal.download = true to fetch it"
            ) from None
        planes, labels = torch.as_tensor(found.data), torch.as_tensor(found.targets)
        classes = DIGITS if self.data == "mnist" else tuple(found.classes)
        if split != "test":
            held_out = torch.zeros(len(planes), dtype=torch.bool)
            count = min(VALIDATION, len(planes) // 10)
            held_out[torch.arange(count) * len(planes) // count] = True
            index = (held_out if split == "val" else ~held_out).nonzero()[:, 0]
            planes, labels = planes[index], labels[index]
        planes = planes.reshape(*planes.shape[:3], -1)  # (N, H, W, 1 or 3)
        if planes.shape[1] == self.side and planes.shape[3] == self.channels:
            values = rearrange(planes.float().div_(255), "n h w c -> n (h w) c")
            return Resident(Batch(self.coords(), values, label=labels), classes=classes)
        return self._resident([_to_pillow(plane.numpy()) for plane in planes], labels, classes=classes)

    def _folder(self, split: Split) -> SignalSet:
        folder = Path(self.data)
        if not folder.is_dir():
            raise SignalError(
                f"{folder}: no such folder; signal.data must be {', '.join([*EMBEDDED, *PUBLIC])} or a folder of "
                "pictures"
            )
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not paths:
            raise SignalError(f"{folder}: no pictures in it or below ({', '.join(sorted(SUFFIXES))})")
        good, pictures, bad = _read_all(self, tuple(paths))
        note = note_bad(bad, len(paths), "pictures", self.skip_bad)
        try:
            index = split_indices(len(good), split).tolist()
        except SignalError as error:
            raise SignalError(f"{folder}: {error}") from None
        classes = self._classes(folder, good)
        labels = torch.tensor([classes.index(good[i].relative_to(folder).parts[0]) for i in index]) if classes else None
        names = [str(path.relative_to(folder)) for path in good]
        if self.stream:
            read = partial(_read_one, self, good)
            return Streamed(read, torch.tensor(index), self.coords(), names, labels, classes, note)
        return self._resident([pictures[i] for i in index], labels, [names[i] for i in index], note, classes)

    def _rows(self, split: Split) -> Streamed:
        """Pictures of an HDF5 file."""
        path = Path(self.data)
        rows = Rows(path, "values")
        if rows.dtype != numpy.uint8 or len(rows.shape) not in (3, 4):
            raise SignalError(
                f"{path}: values must be (N, H, W) or (N, H, W, C) of eight bits (uint8); got {rows.shape} of "
                f"{rows.dtype}"
            )
        try:
            index = split_indices(rows.shape[0], split)
        except SignalError as error:
            raise SignalError(f"{path}: {error}") from None
        with h5py.File(path, "r") as file:
            every = torch.from_numpy(file["label"][:].astype(numpy.int64)) if "label" in file else None
        if every is not None and every.shape != rows.shape[:1]:
            raise SignalError(f"{path}: label must be ({rows.shape[0]},); got {tuple(every.shape)}")
        classes = [] if every is None else [str(number) for number in range(int(every.max()) + 1)]
        label = None if every is None else every[index]
        return Streamed(partial(_read_row, self, rows), index, self.coords(), label=label, classes=classes)

    @staticmethod
    def _classes(folder: Path, paths: Sequence[Path]) -> list[str]:
        """Names of the sub-folders, where every picture lies in one."""
        inside = [p.relative_to(folder).parts for p in paths]
        return sorted({parts[0] for parts in inside}) if all(len(parts) > 1 for parts in inside) else []

    def _read(self, path: Path) -> pillow.Image:
        """A picture, upright and of the right color."""
        with _opened(path) as opened:
            return self._colored(ImageOps.exif_transpose(opened))

    def _colored(self, picture: pillow.Image) -> pillow.Image:
        if picture.mode in ("I;16", "I"):  # sixteen bits: Pillow would clip them at 255
            picture = pillow.fromarray((numpy.asarray(picture).astype(numpy.float32) / 257).round().astype(numpy.uint8))
        return picture.convert({1: "L", 3: "RGB"}[self.channels])

    def _squared(self, picture: pillow.Image) -> pillow.Image:
        picture = self._colored(picture)
        size = (self.side, self.side)
        if picture.size == size:
            return picture
        how = pillow.Resampling.LANCZOS
        return ImageOps.fit(picture, size, how) if self.fit == "crop" else picture.resize(size, how)

    def _values(self, picture: pillow.Image) -> Tensor:
        plane = torch.from_numpy(numpy.array(picture)).reshape(self.side**2, self.channels)
        return plane.float() / 255

    def _resident(
        self,
        pictures: Sequence[pillow.Image],
        labels: Tensor | None = None,
        names: Sequence[str] | None = None,
        note: str = "",
        classes: Sequence[str] = (),
    ) -> Resident:
        values = torch.stack([self._values(self._squared(picture)) for picture in pictures])
        return Resident(Batch(self.coords(), values, label=labels), names, note, classes)


class _Picture(Whole):
    """A picture of any size, rows first."""

    def __init__(self, signal: Image, path: Path) -> None:
        plane = numpy.array(signal._read(path))
        self.values = torch.from_numpy(plane.reshape(*plane.shape[:2], signal.channels))
        self.shape = tuple(self.values.shape[:2])
        self.resolution = signal.side
        self.row = 0

    def read(self, count: int) -> Tensor:
        self.row += count
        return self.values[self.row - count : self.row].float().div(255).unsqueeze(0)


@lru_cache(maxsize=1)
def _photographs() -> list[tuple[str, pillow.Image]]:
    """Seven color photographs that scikit-image and scikit-learn bring along."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    found = [(name, getattr(data, name)()) for name in ("astronaut", "chelsea", "coffee", "rocket")]
    found.append(("motorcycle", data.stereo_motorcycle()[0]))
    found += zip(("china", "flower"), load_sample_images().images, strict=True)
    return [(name, pillow.fromarray(plane)) for name, plane in found]


@lru_cache(maxsize=1)  # the three splits of a folder come from one reading of it
def _read_all(signal: Image, paths: tuple[Path, ...]) -> tuple[list[Path], list[pillow.Image], list[str]]:
    """What could be read, and messages on what could not."""
    good: list[Path] = []
    pictures: list[pillow.Image] = []
    bad: list[str] = []
    for path in paths:
        try:
            if signal.stream:
                with _opened(path):
                    pass
            else:
                pictures.append(signal._squared(signal._read(path)))
            good.append(path)
        except SignalError as error:
            bad.append(str(error))
    return good, pictures, bad


@contextmanager
def _opened(path: Path) -> Iterator[pillow.Image]:
    """A file that begins as a picture does; the rest is read when it is needed."""
    try:
        with warnings.catch_warnings(action="ignore"), pillow.open(path) as opened:
            yield opened
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise SignalError(f"{path}: cannot be read as a picture: {error}") from None


def _read_one(signal: Image, paths: Sequence[Path], number: int) -> Tensor:
    return signal._values(signal._squared(signal._read(paths[number])))


def _read_row(signal: Image, rows: Rows, number: int) -> Tensor:
    plane = rows[number]
    return signal._values(signal._squared(_to_pillow(plane.reshape(*plane.shape[:2], -1))))


def _to_pillow(plane: numpy.ndarray) -> pillow.Image:
    """(H, W, 1 or 3) of uint8."""
    return pillow.fromarray(plane[..., 0] if plane.shape[-1] == 1 else plane)
