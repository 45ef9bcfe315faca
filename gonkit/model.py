"""A trained model in one file: network, recipe and prior, without pickle."""

from __future__ import annotations

__all__ = ["MODEL_FILE", "Model", "build"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gonkit
from gonkit.checkpoint import read_tensors, write_tensors
from gonkit.evaluation import Figures
from gonkit.gon import GON
from gonkit.latents import slerp
from gonkit.priors import Mixture, Prior
from gonkit.recipe import Recipe, parse_recipe
from gonkit.signal import Batch, Sample, Signal, SignalError
from gonkit.siren import Siren
from gonkit.tiles import Sink, reconstruct

MODEL_FILE = "model.safetensors"


def build(recipe: Recipe, scale: float = 1.0) -> GON:
    """The untrained network of a recipe; `scale` is the training values' standard deviation."""
    signal, objective = recipe.signal, recipe.objective()
    settings = recipe.field
    field = Siren(
        signal.coord_dim,
        signal.channels,
        recipe.latent.dim,
        signal.source_channels,
        width=settings.width,
        layers=settings.layers,
        omega=settings.omega,
        omega_hidden=settings.omega_hidden,
        init=settings.init,
    )
    return GON(
        field,
        objective.inner,
        step=recipe.latent.eta,
        steps=recipe.latent.steps,
        origin=recipe.latent.origin,
        scale=scale if settings.standardise and not objective.logits else 1.0,
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
        gon = build(recipe)
        parts = {part: _under(tensors, part) for part in ("gon", "prior")}
        try:
            gon.load_state_dict(parts["gon"])
            prior = Mixture.from_state(parts["prior"])
        except (RuntimeError, KeyError) as error:
            raise SignalError(f"{path}: weights that do not fit its recipe: {error}") from None
        return Model(recipe, gon.eval().requires_grad_(False), prior)

    def save(self, path: Path) -> None:
        """Writes the model file."""
        tensors = {f"gon.{key}": value for key, value in self.gon.state_dict().items()}
        tensors |= {f"prior.{key}": value for key, value in self.prior.state().items()}
        write_tensors(path, tensors, {"gonkit": gonkit.__version__, "recipe": self.recipe.toml()})

    def to(self, device: str | torch.device) -> Model:
        """The same model with its network on a device."""
        self.gon.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.gon.scale.device

    def read(self, paths: Sequence[str | Path]) -> Batch:
        """Files as a batch.

        Raises:
            SignalError: a file that cannot be read.
        """
        return Batch.stack([self.signal.load(Path(path)) for path in paths], self.signal.coords())

    def encode(self, signals: Batch | Tensor | Sequence[str | Path] | Sequence[Sample]) -> Tensor:
        """Latents (B, K).

        Args:
            signals: files, samples, a batch, or values (B, P, C) on the training grid.
        """
        grid = self.signal.coords()
        if isinstance(signals, Tensor):
            signals = Batch(grid, signals)
        elif not isinstance(signals, Batch):
            signals = Batch.stack([s if isinstance(s, Sample) else self.signal.load(Path(s)) for s in signals], grid)
        return self.gon.encode(signals.to(self.device)).cpu()

    def values(self, latent: Tensor, resolution: int | None = None, chunk: int = 1 << 16) -> Tensor:
        """Values (B, P, C) of latent (B, K) on the signal type's grid at a resolution."""
        coords = self.signal.coords(resolution).to(self.device)
        return self.gon.decode(latent.to(self.device), coords, chunk=chunk).cpu()

    def decode(self, latent: Tensor, resolution: int | None = None, chunk: int = 1 << 16) -> list[Any]:
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
        chunk: int = 1 << 16,
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
            chunk: points decoded at once.
            suffix: of the file written, one of the signal type's; None for its usual one.

        Returns:
            The file written, and figures at the file's own resolution.

        Raises:
            SignalError: a file that cannot be read.
        """
        path, stem = Path(path), Path(stem)
        stem.parent.mkdir(parents=True, exist_ok=True)
        whole = None if scaled else self.signal.open(path)
        if whole is not None:

            def sink(resolution: int) -> Sink:
                return self.signal.create(stem, whole, resolution, suffix)

            return reconstruct(self.gon, self.signal, whole, sink, resolution, overlap=overlap, chunk=chunk)
        sample = self.signal.load(path)
        batch = Batch.stack([sample], self.signal.coords())
        latent = self.encode(batch)
        figures = Figures(self.signal)
        seen = self.gon.decode(latent.to(self.device), batch.coords.to(self.device), chunk=chunk)
        figures.add(seen.cpu(), batch)
        (thing,) = self.decode(latent, resolution, chunk)
        return self.signal.save(self.signal.placed(thing, sample), stem, suffix), figures.summary()

    def sample(
        self, count: int = 1, *, resolution: int | None = None, seed: int = 0, temperature: float = 1.0
    ) -> list[Any]:
        """New natural objects, drawn from the prior; the same seed draws the same ones."""
        return self.decode(self.prior.sample(count, seed=seed, temperature=temperature), resolution)

    def interpolate(self, a: Tensor, b: Tensor, steps: int = 8, resolution: int | None = None) -> list[Any]:
        """Natural objects along the great circle from latent a (K,) to b (K,), ends included."""
        return self.decode(slerp(a, b, torch.linspace(0, 1, steps)), resolution)


def _under(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {k.removeprefix(part + "."): v for k, v in tensors.items() if k.startswith(part + ".")}
