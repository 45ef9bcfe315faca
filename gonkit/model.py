"""A trained model in one file: network, recipe and prior, without pickle."""

from __future__ import annotations

__all__ = ["MODEL_FILE", "Model", "build"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gonkit
from gonkit.checkpoint import read_tensors, write_tensors
from gonkit.evaluation import ENCODED_AT_ONCE, Figures
from gonkit.gon import GON
from gonkit.latents import PathKind, between, class_means
from gonkit.names import nearest
from gonkit.observation import View
from gonkit.priors import Prior, restore_prior
from gonkit.recipe import Recipe, parse_recipe
from gonkit.signal import Batch, Sample, Signal, SignalError
from gonkit.siren import Siren
from gonkit.tiles import Sink, reconstruct

MODEL_FILE = "model.safetensors"


def build(recipe: Recipe, scale: float = 1.0, inner_scale: float = 1.0, classes: int = 0) -> GON:
    """The untrained network of a recipe.

    Args:
        recipe: what it is to learn.
        scale: standard deviation of the training values.
        inner_scale: that of the observed signals' values, where those are another type's.
        classes: N, of a label head if the recipe's losses ask for one.
    """
    signal, objective, settings = recipe.signal, recipe.objective(), recipe.field

    def field(kind: Signal) -> Siren:
        return Siren(
            kind.coord_dim,
            kind.channels,
            recipe.latent.dim,
            kind.source_channels,
            width=settings.width,
            layers=settings.layers,
            omega=settings.omega,
            omega_hidden=settings.omega_hidden,
            init=settings.init,
        )

    return GON(
        field(signal),
        objective.inner,
        step=recipe.latent.eta,
        steps=recipe.latent.steps,
        origin=recipe.latent.origin,
        threshold=recipe.latent.threshold,
        scale=scale if settings.standardize and not objective.logits else 1.0,
        logits=objective.logits,
        inner_field=field(signal.observes) if signal.translates else None,
        inner_scale=inner_scale if settings.standardize and not objective.inner.logits else 1.0,
        classes=classes if objective.reads("label") else 0,
        head_width=recipe.latent.head_width,
        variational=objective.reads("posterior"),
    )


@dataclass(frozen=True)
class Model:
    """What training leaves.

    Natural objects are what the signal type renders: a picture, a sound, whatever suits it.

    Example:
        model = gonkit.load("runs/digits/0001")
        pictures = model.sample(8, resolution=256)
    """

    recipe: Recipe
    gon: GON
    prior: Prior
    classes: tuple[str, ...] = ()

    @property
    def signal(self) -> Signal:
        """The signal type, with the settings it was trained with."""
        return self.recipe.signal

    @staticmethod
    def load(path: str | Path) -> Model:
        """From a run folder or a model file; see `gonkit.load`."""
        path = Path(path)
        if path.is_dir():
            if not (path / MODEL_FILE).is_file():
                unfinished = (path / "recipe.toml").is_file()
                fix = f"finish it with python -m gonkit.run --resume {path}" if unfinished else "give a run folder"
                raise SignalError(f"{path}: no {MODEL_FILE} in it; {fix}")
            path = path / MODEL_FILE
        tensors, about = read_tensors(path)
        if "recipe" not in about:
            raise SignalError(f"{path}: not a gonkit model: it holds no recipe")
        recipe = parse_recipe(about["recipe"], source=str(path))
        classes = tuple(about.get("classes", ()))
        gon = build(recipe, classes=len(classes))
        parts = {part: _under(tensors, part) for part in ("gon", "prior")}
        try:
            gon.load_state_dict(parts["gon"])
            prior = restore_prior(parts["prior"])
        except (RuntimeError, KeyError) as error:
            raise SignalError(f"{path}: weights that do not fit its recipe: {error}") from None
        return Model(recipe, gon.eval().requires_grad_(False), prior, classes)

    def save(self, path: Path) -> None:
        """Writes the model file."""
        tensors = {f"gon.{key}": value for key, value in self.gon.state_dict().items()}
        tensors |= {f"prior.{key}": value for key, value in self.prior.state().items()}
        about = {"gonkit": gonkit.__version__, "recipe": self.recipe.toml(), "classes": self.classes}
        write_tensors(path, tensors, about)

    def to(self, device: str | torch.device) -> Model:
        """The same model with its network on a device."""
        self.gon.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.gon.scale.device

    def read(self, signals: Batch | Tensor | Sequence[str | Path] | Sequence[Sample]) -> Batch:
        """What latents are inferred from, as a batch.

        Args:
            signals: files, samples, a batch, or values (B, P, C) on the training grid.

        Raises:
            SignalError: a file that cannot be read.
        """
        kind = self.signal.observes
        if isinstance(signals, Tensor):
            return Batch(kind.coords(), signals)
        if isinstance(signals, Batch):
            return signals
        return Batch.stack([s if isinstance(s, Sample) else kind.load(Path(s)) for s in signals], kind.coords())

    def encode(self, signals: Batch | Tensor | Sequence[str | Path] | Sequence[Sample]) -> Tensor:
        """Latents (B, K) of what `read` takes."""
        return self.gon.encode(self.read(signals).to(self.device)).cpu()

    def classify(self, signals: Batch | Tensor | Sequence[str | Path] | Sequence[Sample]) -> Tensor:
        """Probabilities (B, N) of the `classes`, of what `read` takes.

        Raises:
            SignalError: the model was trained without a loss on labels.
        """
        if self.gon.head is None:
            raise SignalError(
                "this model has no label head; train with a loss on labels, as in loss.outer = { cross_entropy = 1.0 }"
            )
        return self.gon.classify(self.encode(signals).to(self.device)).cpu()

    def convert(
        self,
        given: Batch | Tensor | Sequence[str | Path] | Sequence[Sample],
        *,
        latent: Tensor | None = None,
        resolution: int | None = None,
        chunk: int | None = None,
    ) -> list[Any]:
        """Natural objects of signals of another type, one of each.

        Args:
            given: what is converted, as `read` takes it.
            latent: (B, K) or (1, K), what `given` cannot tell, for types with a source: drawn from the prior or taken
                from another pair; None for the origin.
            resolution: of the result, other than the training one.
            chunk: points computed at once.

        Raises:
            SignalError: a model that converts nothing.
        """
        batch = self.read(given)
        if self.signal.translates:
            return self.decode(self.encode(batch), resolution, chunk)
        known = self.signal.known(batch, resolution)
        latent = torch.zeros(len(batch), self.gon.field.latent_dim) if latent is None else latent
        coords = self.signal.coords(resolution).to(self.device)
        latent = latent.expand(len(batch), -1).to(self.device)
        values = self.gon.decode(latent, coords, known.to(self.device), chunk=chunk)
        return self.signal.things(values.cpu(), resolution)

    def encode_pair(self, source: str | Path, target: str | Path) -> Tensor:
        """What a source cannot tell of its target, as a latent (1, K), for types with a source.

        Raises:
            SignalError: a model without a source, or files that cannot be read.
        """
        known = self.signal.known(self.read([source]))
        sample = self.signal.load(Path(target))
        batch = replace(Batch.stack([sample], self.signal.coords()), source=known)
        return self.gon.encode(batch.to(self.device)).cpu()

    def values(self, latent: Tensor, resolution: int | None = None, chunk: int | None = None) -> Tensor:
        """Values (B, P, C) of latent (B, K) on the signal type's grid at a resolution."""
        coords = self.signal.coords(resolution).to(self.device)
        return self.gon.decode(latent.to(self.device), coords, chunk=chunk).cpu()

    def decode(self, latent: Tensor, resolution: int | None = None, chunk: int | None = None) -> list[Any]:
        """Natural objects of latent (B, K) at a resolution; `chunk` points are computed at once."""

        def decode(coords: Tensor, rows: slice) -> Tensor:
            return self.gon.decode(latent[rows].to(self.device), coords.to(self.device), chunk=chunk).cpu()

        return self.signal.made(decode, len(latent), resolution)

    def reconstruct(
        self,
        path: str | Path,
        stem: str | Path,
        *,
        resolution: int | None = None,
        scaled: bool = False,
        overlap: float = 0.5,
        observed: float = 1.0,
        hide: Sequence[tuple[float, float]] = (),
        chunk: int | None = None,
        suffix: str | None = None,
    ) -> tuple[Path, dict[str, float]]:
        """A file of any size encoded and decoded again, at its own size.

        What is larger than the training size is tiled into overlapping windows of that size, a latent
        each; see `gonkit.tiles.reconstruct`.

        Args:
            path: what to read.
            stem: what to write, without a suffix.
            resolution: other than the file's own.
            scaled: bring the file to the training size first, as training did, for one latent.
            overlap: share of a window that the next one covers again, from 0 to below 1.
            observed: share of the points to encode from, drawn at random.
            hide: part of each axis, from 0 to 1, that is not encoded from, so that what lies in all of them is filled
                in; none for nothing.
            chunk: points decoded at once.
            suffix: of the file written, one of the signal type's; None for its usual one.

        Returns:
            The file written, and figures at the file's own resolution.

        Raises:
            SignalError: a file that cannot be read.
        """
        path, stem = Path(path), Path(stem)
        if self.signal.observes is not self.signal:
            raise SignalError("this model converts one type of signal to another; use gonkit convert")
        stem.parent.mkdir(parents=True, exist_ok=True)
        view = View(observed, hide)
        whole = None if scaled else self.signal.open(path)
        if whole is not None:

            def sink(resolution: int) -> Sink:
                return self.signal.create(stem, whole, resolution, suffix)

            return reconstruct(self.gon, self.signal, whole, sink, resolution, overlap=overlap, view=view, chunk=chunk)
        sample = self.signal.load(path)
        batch = Batch.stack([sample], self.signal.coords())
        latent = self.encode(batch.seen(view.mask((batch.coords.expand(1, -1, -1) + 1) / 2)))
        figures = Figures(self.signal)
        values = self.gon.decode(latent.to(self.device), batch.coords.to(self.device), chunk=chunk)
        figures.add(values.cpu(), batch)
        (thing,) = self.decode(latent, resolution, chunk)
        return self.signal.save(self.signal.placed(thing, sample), stem, suffix), figures.summary()

    def sample(
        self,
        count: int = 1,
        *,
        resolution: int | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        truncation: float | None = None,
        label: int | str | None = None,
    ) -> list[Any]:
        """New natural objects, drawn from the prior; the same seed draws the same ones.

        Args:
            count: how many.
            resolution: other than the training one.
            seed: of the draw.
            temperature: scales the spread; see `gonkit.densities.Prior.sample`.
            truncation: largest deviation, in standard deviations.
            label: a class, by name or number, for a prior per class.

        Raises:
            SignalError: a class that there is not.
        """
        number = None if label is None else self.label(label)
        drawn = self.prior.sample(count, seed=seed, temperature=temperature, truncation=truncation, label=number)
        return self.decode(drawn, resolution)

    def label(self, name: int | str) -> int:
        """The number of a class that is given by its name or number.

        Raises:
            SignalError: no class of such a name.
        """
        if str(name) in self.classes:
            return self.classes.index(str(name))
        if not str(name).isdecimal():
            known = ", ".join(self.classes) or "classes without names: give a number"
            raise SignalError(f"label: there is no class {name!r}{nearest(str(name), self.classes)}; there are {known}")
        return int(name)

    def class_means(self, labels: Sequence[int]) -> Tensor:
        """Mean latents (N', K) of the training signals of some classes.

        Raises:
            SignalError: training signals without labels, or none of a class.
        """
        train = self.signal.dataset("train")
        known = train.labels()
        if known is None:
            raise SignalError("the training signals have no labels: there are no classes to take means of")
        present = known.unique().tolist()
        if absent := [label for label in labels if label not in present]:
            raise SignalError(f"label: no training signal is of class {absent[0]}; there are {present}")
        rows = torch.isin(known, torch.tensor(labels)).nonzero()[:, 0]
        latent = torch.cat([self.encode(train.observed(part)) for part in rows.split(ENCODED_AT_ONCE)])
        order = known[rows].unique().tolist()
        return class_means(latent, known[rows])[[order.index(label) for label in labels]]

    def interpolate(
        self, a: Tensor, b: Tensor, steps: int = 8, resolution: int | None = None, path: PathKind = "slerp"
    ) -> list[Any]:
        """Natural objects from latent a (K,) to b (K,), ends included, along a great circle or a straight line."""
        return self.decode(between(a, b, steps, path), resolution)


def _under(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {k.removeprefix(part + "."): v for k, v in tensors.items() if k.startswith(part + ".")}
