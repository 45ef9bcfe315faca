"""A trained model in one file, without pickle: network, recipe and prior."""

from __future__ import annotations

__all__ = ["Model"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import ObservationMask, Resolution, SignalDataset, Split, Task, read_split
from gonkit.errors import GonkitError
from gonkit.imports import did_you_mean
from gonkit.inference.abilities import Ability, obstacle
from gonkit.inference.encoding import dataset_class_means
from gonkit.inference.inputs import Signals, as_batch
from gonkit.inference.interpolation import Interpolation, interpolate
from gonkit.inference.model_file import ModelContent, read_model_file, write_model_file
from gonkit.inference.objects import decode_objects
from gonkit.inference.whole_files import reconstruct_file
from gonkit.nn import GON
from gonkit.priors import Prior
from gonkit.recipe import Recipe, TaskSource, trusting_code


@dataclass(frozen=True)
class Model:
    """A trained model. Objects are what the signal type makes of values: pictures, sounds, meshes.

    Attributes:
        recipe: what it was trained by.
        gon: the network.
        prior: from which latents are sampled.
        class_names: of the labels.
        datasets: the data sets that were passed to `gonkit.train`, by split; None if the task reads its own.
        data_file: the record of the data it was trained on; None to read whatever is there.

    Example:
        pictures = gonkit.load("runs/digits/0001").sample(8, resolution=256)
    """

    recipe: Recipe
    gon: GON
    prior: Prior
    class_names: tuple[str, ...] = ()
    datasets: Mapping[Split, SignalDataset] | None = None
    data_file: Path | None = None

    @property
    def task(self) -> Task:
        """The signal type, or the pair of them, with the settings it was trained with."""
        return self.recipe.signal

    def dataset(self, split: Split) -> SignalDataset:
        """The signals of a split.

        Raises:
            GonkitError: data that have changed, or that were passed to `gonkit.train` and are not in the model's file.
        """
        if self.datasets is None:
            return read_split(self.task, split, self.data_file)
        if split not in self.datasets:
            raise GonkitError("this model was trained on data passed to gonkit.train, and its file does not hold them")
        return self.datasets[split]

    @staticmethod
    def load(
        path: str | Path, signal: TaskSource | None = None, data: str | Path | None = None, *, trust_code: bool = False
    ) -> Model:
        """Opens a run folder or a model file; see `gonkit.load`."""
        with trusting_code(trust_code):
            content = read_model_file(Path(path), signal, None if data is None else str(data))
        recipe, gon, prior, class_names, has_own_data, data_file = content
        return Model(recipe, gon, prior, class_names, {} if has_own_data else None, data_file)

    def save(self, path: Path) -> None:
        """Writes the model file."""
        content = ModelContent(self.recipe, self.gon, self.prior, self.class_names, self.datasets is not None)
        write_model_file(path, content)

    def to(self, device: str | torch.device) -> Model:
        """The model itself, its network moved to a device."""
        self.gon.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.gon.device

    def require(self, ability: Ability) -> None:
        """Checks that a model of this kind can do something.

        Args:
            ability: "encode" signals of the input type; "decode" latents; "sample" new signals; "predict" signals of a
                data set; "reconstruct" files; "convert" files of one type to another; "classify" files.

        Raises:
            GonkitError: it cannot; the message says why and what to do.
        """
        reason = obstacle(ability, self.recipe, has_classifier=self.gon.classifier is not None)
        if reason is not None:
            raise GonkitError(f"this model cannot {ability}: {reason}")

    def as_batch(self, signals: Signals) -> Batch:
        """Signals of the input type as a batch; see `gonkit.inference.as_batch`."""
        return as_batch(self.task.input_type, signals)

    def encode(self, signals: Signals, *, refine: int | None = None) -> Tensor:
        """Latents (B, K) of signals of the input type.

        Args:
            signals: to encode: files, objects, arrays, tensors; see `gonkit.inference.as_batch`.
            refine: refinement steps; None for the recipe's.

        Raises:
            GonkitError: a file that cannot be read, or a model that cannot encode.
        """
        self.require("encode")
        return self.gon.encode(self.as_batch(signals).to(self.device), refine=refine).cpu()

    def classify(self, signals: Signals) -> Tensor:
        """Probabilities (B, N) of the classes `class_names`.

        Raises:
            GonkitError: a file that cannot be read, or a model without a label head.
        """
        self.require("classify")
        return self.gon.classify(self.encode(signals).to(self.device)).cpu()

    def convert(
        self,
        inputs: Signals,
        *,
        latent: Tensor | None = None,
        resolution: Resolution | None = None,
        chunk: int | None = None,
    ) -> list[Any]:
        """Converts signals of the input type to objects of the output type, one of each.

        Args:
            inputs: what is converted.
            latent: (B, K) or (1, K), what the inputs do not tell, for tasks with conditioning: sampled from the prior,
                or inferred from another pair by `encode_pair`; None for the origin.
            resolution: of the result, other than the training one.
            chunk: points computed at once.

        Raises:
            GonkitError: a model that converts nothing.
        """
        self.require("convert")
        batch = self.as_batch(inputs)
        if not self.task.conditioning_channels:
            return self.decode(self.encode(batch), resolution, chunk)
        signal, number = self.task.output_type.at_resolution(resolution)
        coords = signal.grid(number).coords
        source = self.task.conditioning(batch, coords).to(self.device)
        latent = torch.zeros(1, self.recipe.latent.dim) if latent is None else latent
        latent = latent.expand(len(batch), -1).to(self.device)
        return signal.to_objects(self.gon.decode(latent, coords.to(self.device), source, chunk=chunk), number)

    def encode_pair(self, source: str | Path, target: str | Path) -> Tensor:
        """The latent (1, K) of a pair of files: what the source does not tell about the target.

        Raises:
            GonkitError: a task without conditioning, or a file that cannot be read.
        """
        signal = self.task.output_type
        coords = signal.grid().coords
        conditioning = self.task.conditioning(self.as_batch([source]), coords)
        batch = Batch.stack([signal.files.load(Path(target))], coords)
        return self.gon.encode(replace(batch, source=conditioning).to(self.device)).cpu()

    def decode_values(self, latent: Tensor, resolution: Resolution | None = None, chunk: int | None = None) -> Tensor:
        """Values (B, P, C) of latents (B, K) on the output type's grid at a resolution."""
        self.require("decode")
        signal, number = self.task.output_type.at_resolution(resolution)
        coords = signal.grid(number).coords.to(self.device)
        return self.gon.decode(latent.to(self.device), coords, chunk=chunk).cpu()

    def decode(self, latent: Tensor, resolution: Resolution | None = None, chunk: int | None = None) -> list[Any]:
        """Objects of latents (B, K) at a resolution; `chunk` points are computed at once."""
        self.require("decode")
        return decode_objects(self.gon, self.task.output_type, latent, resolution, chunk)

    def reconstruct(
        self,
        path: str | Path,
        stem: str | Path,
        *,
        resolution: Resolution | None = None,
        scaled: bool = False,
        overlap: float = 0.5,
        observed: float = 1.0,
        hide: Sequence[tuple[float, float]] = (),
        chunk: int | None = None,
        suffix: str | None = None,
    ) -> tuple[Path, dict[str, float]]:
        """Encodes a file of any size and decodes it again, at its own size.

        A file larger than the training size is tiled into overlapping windows of that size with a latent each.

        Args:
            path: what to read.
            stem: what to write, without a suffix.
            resolution: other than the file's own.
            scaled: bring the file to the training size first, as in training, for one latent.
            overlap: share of a window that the next one covers again, from 0 to below 1.
            observed: share of the points to encode from, drawn at random.
            hide: LOW, HIGH of a hidden box along each axis, from 0 to 1: not encoded from, but predicted.
            chunk: points decoded at once.
            suffix: of the file written, one of the signal type's; None for its default.

        Returns:
            The file written, and metrics at the file's own resolution.

        Raises:
            GonkitError: a file that cannot be read, or a model that reconstructs nothing.
        """
        self.require("reconstruct")
        return reconstruct_file(
            self.gon,
            self.task.output_type,
            Path(path),
            Path(stem),
            resolution=resolution,
            scaled=scaled,
            overlap=overlap,
            observation=ObservationMask(observed, hide),
            chunk=chunk,
            suffix=suffix,
        )

    def sample_latent(
        self,
        count: int = 1,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        truncation: float | None = None,
        label: int | str | None = None,
    ) -> Tensor:
        """New latents (count, K), sampled from the prior; the same seed gives the same ones.

        Args:
            count: how many.
            seed: of the samples.
            temperature: scales the spread; see `gonkit.priors.Prior.sample`.
            truncation: largest deviation from the mean, in standard deviations.
            label: a class, by name or number, for a prior per class.

        Raises:
            GonkitError: a class that does not exist, or a model that samples nothing.
        """
        self.require("sample")
        number = None if label is None else self.class_index(label)
        return self.prior.sample(count, seed=seed, temperature=temperature, truncation=truncation, label=number)

    def sample(
        self, count: int = 1, *, resolution: Resolution | None = None, chunk: int | None = None, **spread: Any
    ) -> list[Any]:
        """New objects, decoded from `sample_latent(count, **spread)`; `resolution` and `chunk` as in `decode`."""
        return self.decode(self.sample_latent(count, **spread), resolution, chunk)

    def class_index(self, name: int | str) -> int:
        """The number of a class, from its name, or from its number where no name is one.

        Raises:
            GonkitError: no class of such a name.
        """
        if str(name) in self.class_names:
            return self.class_names.index(str(name))
        if not str(name).isdecimal() or any(other.isdecimal() for other in self.class_names):
            known = ", ".join(self.class_names) or "classes without names: give a number"
            raise GonkitError(
                f"label: there is no class {name!r}{did_you_mean(str(name), self.class_names)}; there are {known}"
            )
        return int(name)

    def class_means(self, labels: Sequence[int]) -> Tensor:
        """Mean latents (N', K) of the training signals of some classes.

        Raises:
            GonkitError: training signals without labels, or none of a class.
        """
        self.require("encode")
        return dataset_class_means(self.gon, self.dataset("train"), labels)

    def interpolate(
        self, a: Tensor, b: Tensor, steps: int = 8, resolution: Resolution | None = None, kind: Interpolation = "slerp"
    ) -> list[Any]:
        """Objects from latent a (K,) to b (K,), both included, by any kind of path."""
        return self.decode(interpolate(a, b, steps, kind, self.prior), resolution)
