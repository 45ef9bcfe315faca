"""What a user defines: a `Signal`, one kind of signal; and a `Task`, what is encoded and what is decoded."""

from __future__ import annotations

__all__ = ["DecodeFn", "DefaultLosses", "Sections", "Signal", "Task"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy
import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data.components import Display, Measures
from gonkit.data.dataset import SignalDataset
from gonkit.data.files import SignalFiles
from gonkit.data.grid import Grid, Resolution
from gonkit.data.settings import Settings
from gonkit.data.splits import Split
from gonkit.errors import GonkitError
from gonkit.losses import Loss
from gonkit.plotting import heat_map

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

DecodeFn = Callable[[Tensor, slice], Tensor]
"""Values (b, P, C) at coords (P, D) of those latents that a slice selects."""


Sections = Mapping[str, Mapping[str, Any]]
"""Sections of a recipe by name, each with values by key."""


@dataclass(frozen=True)
class DefaultLosses:
    """Losses of a signal type where a recipe names none.

    Attributes:
        inner: name of the inner loss.
        outer: names and weights of the outer terms.
        own: losses of the type's own, by the name that a recipe gives them.
    """

    inner: str = "mse"
    outer: Mapping[str, float] = field(default_factory=lambda: {"mse": 1.0})
    own: Mapping[str, Loss] = field(default_factory=dict)


class Task(Settings, ABC):
    """What a network learns: which signals are encoded, and which are decoded from their latents.

    A `Signal` is the task of reconstructing itself. The fields of a subclass are the keys of a recipe's `[signal]`
    table; a text field marked with `IsPath` is made absolute when the recipe is read.
    """

    type: str = ""
    """How a recipe names the class: `module:Class` or `file.py:Class`."""

    @property
    @abstractmethod
    def input_type(self) -> Signal:
        """The signal type from which latents are inferred."""

    @property
    @abstractmethod
    def output_type(self) -> Signal:
        """The signal type that is decoded."""

    @abstractmethod
    def dataset(self, split: Split) -> SignalDataset:
        """The signals of a split. Called once for each split, when a run starts."""

    @property
    def conditioning_channels(self) -> int:
        """S, channels that the field sees at each point beside the coordinate; 0 for none."""
        return 0

    @property
    def has_separate_encoder(self) -> bool:
        """Whether latents are inferred through a field of their own, which is not the one that is decoded."""
        return False

    def conditioning(self, inputs: Batch, coords: Tensor) -> Tensor:
        """(B, P, S) what signals of the input type tell the field at coords (P, D).

        Raises:
            GonkitError: a task without conditioning.
        """
        raise GonkitError(f"{type(self).__name__} is not conditioned on another signal")


class Signal(Task, ABC):
    """A kind of signal. Three members must be written: `channels`, `grid` and `dataset`.

    Class attributes:
        value_range: lowest and highest value, from which PSNR takes its peak.
        prepares_data: whether reading data for the first time takes long and leaves something in a cache.
    """

    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    prepares_data: ClassVar[bool] = False

    @property
    @abstractmethod
    def channels(self) -> int:
        """C."""

    @abstractmethod
    def grid(self, resolution: int | None = None) -> Grid:
        """The type's own sample points, at the training resolution or another one."""

    def resized(self, shape: Sequence[int]) -> Signal:
        """The same type with another number of points along each axis of its grid.

        Raises:
            GonkitError: a type whose grids are told apart by one number.
        """
        raise GonkitError(f"resolution: {type(self).__name__} takes one number; got {' × '.join(map(str, shape))}")

    @final
    def at_resolution(self, resolution: Resolution | None) -> tuple[Signal, int | None]:
        """A signal type, and the one number by which it counts, for one number or points along each axis."""
        if resolution is None or isinstance(resolution, int):
            return self, resolution
        return self.resized(resolution), None

    @property
    def default_losses(self) -> DefaultLosses:
        """Inner loss, outer terms, and losses of the type's own."""
        return DefaultLosses()

    @property
    def suggested_recipe(self) -> Sections:
        """Sections of a recipe to begin with, where they are not the defaults; see `gonkit check --write`."""
        return {
            "field": {"width": 128, "omega": 10.0, "latent": "all"},
            "train": {"optimizer": "muon", "learning_rate": 2e-3},
        }

    def to_object(self, values: Tensor, resolution: int | None = None) -> Any:
        """The natural object (a picture, a sound, a mesh) of values (*shape, C) on `grid(resolution)`.

        Values that were not observed are NaN. By default the values as a numpy array.
        """
        return values.cpu().numpy()

    def decode_objects(self, decode: DecodeFn, count: int, resolution: int | None = None) -> list[Any]:
        """The objects of `count` latents; by default from their values on the whole grid."""
        return self.to_objects(decode(self.grid(resolution).coords, slice(None)), resolution)

    def preview(self, obj: Any) -> Picture:
        """A picture by which an object can be recognized, of one size for one resolution.

        By default a heat map of a row, of a plane, or of the middle slice of a volume.
        """
        return heat_map(numpy.asarray(obj), self.value_range)

    def place(self, obj: Any, transform: Any) -> Any:
        """An object moved to where the original was; `transform` is that of a `Sample` or a data set."""
        return obj

    @property
    def files(self) -> SignalFiles:
        """How files are read and written."""
        return SignalFiles(self.to_object, self.preview)

    @property
    def display(self) -> Display:
        """How objects are shown in the report and in TensorBoard."""
        return Display()

    @property
    def measures(self) -> Measures:
        """Metrics beyond mse, psnr and snr."""
        return Measures()

    @property
    @final
    def input_type(self) -> Signal:
        return self

    @property
    @final
    def output_type(self) -> Signal:
        return self

    @final
    def to_objects(self, values: Tensor, resolution: int | None = None) -> list[Any]:
        """The objects of decoded signals (B, P, C) on `grid(resolution)`."""
        return [self.to_object(one, resolution) for one in self.grid(resolution).unflatten(values.cpu())]

    @final
    def on_grid(self, batch: Batch) -> bool:
        """Whether all signals of a batch lie on the type's own grid, observed there or not."""
        coords = self.grid().coords
        shared = batch.shares_coords and coords.shape == batch.coords.shape
        return shared and torch.allclose(coords, batch.coords.to(coords), atol=1e-6)
