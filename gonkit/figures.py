"""The figures of Bond-Taylor & Willcocks, Gradient Origin Networks, arXiv 2007.02798, as gonkit makes them.

Each trains what it needs by a recipe of recipes/paper, in its own folder, and goes on from there if it was stopped.
"""

from __future__ import annotations

__all__ = ["draw_figure"]

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gonkit.checkpoint import write_atomically
from gonkit.finish import finish
from gonkit.gon import GON
from gonkit.latents import between
from gonkit.model import MODEL_FILE, Model
from gonkit.normality import normality
from gonkit.plots import draw_curve, draw_histogram
from gonkit.recipe import Recipe, read_recipe
from gonkit.sheet import contact_sheet
from gonkit.signal import Signal, SignalError, SignalSet, Split
from gonkit.training import fit

RECIPES = Path(__file__).parent.parent / "recipes" / "paper"
COLUMNS = 10
STAMPS = (1.0, 3.0, 10.0, 30.0, 60.0)  # seconds of training at which figure 5 looks
TESTED = (0, 200, 800, 3000)  # steps at which figure 7 looks
HELD_OUT = 1000  # latents that it looks at

Watch = Callable[[int, float, GON], None]


class _Enough(Exception):
    """A figure has seen what it wanted."""


def draw_figure(
    number: int, folder: Path, overrides: Sequence[str] = (), *, quick: bool = False, run: Path | None = None
) -> list[Path]:
    """Makes a figure of the paper, and a JSON file of what was measured beside it.

    Args:
        number: 2 (few parameters), 3 (paths), 4 (samples), 5 (the first minute), 6 (a plane of classes) or 7 (the
            distribution of latents).
        folder: for pictures, figures and runs.
        overrides: `section.key=value`, of the figure's recipe.
        quick: a tenth of the steps.
        run: a finished run to draw from, instead of training one; for figures 3, 4 and 6.

    Returns:
        The files.

    Raises:
        SignalError: no recipe, a mistake in it, or a run that this figure cannot be drawn from.
    """
    if run is not None and number not in (3, 4, 6):
        raise SignalError(f"--run: figure {number} looks at training itself; leave it out")
    folder.mkdir(parents=True, exist_ok=True)
    figure = {2: _overfit, 3: _paths, 4: _samples, 5: _minute, 6: _plane, 7: _histogram}[number]
    pictures, measured = figure(_Workshop(folder, tuple(overrides), quick, run))
    files = []
    for name, picture in pictures.items():
        files.append(folder / f"figure{number}{name}.png")
        picture.save(files[-1])
    files.append(folder / f"figure{number}.json")
    write_atomically(files[-1], json.dumps(measured, indent=2).encode())
    return files


Drawn = tuple[Mapping[str, Any], Mapping[str, Any]]


class _Workshop:
    """Where a figure's runs are made.

    Args:
        folder: of the figure.
        overrides: of its recipes.
        quick: a tenth of the steps.
        run: a finished run to use instead.
    """

    def __init__(self, folder: Path, overrides: tuple[str, ...], quick: bool, run: Path | None) -> None:
        self.folder, self.overrides, self.quick, self.run = folder, overrides, quick, run

    def recipe(self, name: str, *more: str) -> Recipe:
        """A recipe of the paper's figures."""
        path = RECIPES / f"{name}.toml"
        if not path.is_file():
            raise SignalError(f"{path}: no such recipe; gonkit figure runs in a clone of the repository")
        recipe = read_recipe(path, [*more, *self.overrides])
        if not self.quick:
            return recipe
        steps = max(1, recipe.train.steps // 10)
        every = max(1, recipe.train.validate_every // 10)
        return recipe.model_copy(
            update={"train": recipe.train.model_copy(update={"steps": steps, "validate_every": every})}
        )

    def model(self, name: str, *more: str) -> Model:
        """The model of a recipe, trained if it is not yet."""
        if self.run is not None:
            return Model.load(self.run)
        recipe = self.recipe(name, *more)
        folder = self.folder / "-".join([recipe.name, *more]).replace("=", "-")
        if not (folder / MODEL_FILE).exists():
            self.train(recipe, folder)
        return Model.load(folder)

    def train(self, recipe: Recipe, folder: Path, watch: Watch | None = None) -> None:
        """A whole run in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "recipe.toml", recipe.toml().encode())
        train, val, test = (recipe.signal.dataset(split) for split in _splits())
        gon, seconds = fit(recipe, train, val, folder, watch=watch)
        finish(recipe, gon, train, val, test, folder, seconds)


def _splits() -> tuple[Split, Split, Split]:
    return "train", "val", "test"


def _sheet(signal: Signal, rows: Sequence[Sequence[Any]], titles: Sequence[str] | None = None) -> Any:
    return contact_sheet([[signal.picture(thing) for thing in row] for row in rows], titles)


def _overfit(work: _Workshop) -> Drawn:
    """Figure 2: networks of 4,321 and 4,385 parameters, and what they make of training signals."""
    rows: dict[str, list[Any]] = {}
    measured: dict[str, Any] = {}
    for latents in (32, 34):
        model = work.model("overfit", f"latent.dim={latents}")
        train = model.signal.dataset("train")
        parameters = sum(p.numel() for p in model.gon.parameters())
        shown = train.spread(COLUMNS)
        rows.setdefault("original", train.originals(shown, model.signal))
        rows[f"{parameters:,} parameters"] = model.decode(model.encode(train.batch(shown)))
        measured[f"{parameters}_parameters"] = {"latents": latents} | _psnr(model, train.spread(HELD_OUT), train)
    return {"": _sheet(model.signal, [*rows.values()], [*rows])}, measured


def _psnr(model: Model, index: Tensor, signals: SignalSet) -> dict[str, float]:
    """PSNR in dB of the mean error of some signals over the type's range."""
    batch = signals.batch(index)
    error = (model.values(model.encode(batch)) - batch.values).square().mean().item()
    low, high = model.signal.value_range
    return {"training_psnr": (10 * torch.log10(torch.tensor((high - low) ** 2 / error))).item()}


def _paths(work: _Workshop) -> Drawn:
    """Figure 3: between test signals, along great circles."""
    model = work.model("space")
    test = model.signal.dataset("test")
    latent = model.encode(test.evenly(2 * COLUMNS))
    pairs = list(zip(latent[::2], latent[1::2], strict=True))[:6]
    rows = [model.decode(between(a, b, COLUMNS)) for a, b in pairs]
    return {"": _sheet(model.signal, rows)}, {"pairs": len(rows)}


def _samples(work: _Workshop) -> Drawn:
    """Figure 4: draws from the prior, not chosen."""
    model = work.model("space")
    things = model.sample(6 * COLUMNS, seed=0)
    rows = [things[start : start + COLUMNS] for start in range(0, len(things), COLUMNS)]
    return {"": _sheet(model.signal, rows)}, {"prior": model.recipe.prior.kind, "components": model.prior.components}


def _minute(work: _Workshop) -> Drawn:
    """Figure 5: test signals after some seconds of training, and their PSNR over time."""
    recipe = work.recipe("minute")
    signal, test = recipe.signal, recipe.signal.dataset("test")
    batch, few = test.evenly(100), test.spread(COLUMNS)
    low, high = signal.value_range
    curve: list[tuple[float, float, int]] = []
    rows: dict[str, list[Any]] = {"original": test.originals(few, signal)}
    due = list(STAMPS)

    def watch(step: int, seconds: float, gon: GON) -> None:
        device = gon.scale.device
        seen = gon.decode(gon.encode(batch.to(device)), batch.coords.to(device)).cpu()
        error = (seen - batch.values).square().mean()
        curve.append((seconds, (10 * torch.log10((high - low) ** 2 / error)).item(), step))
        if due and seconds >= due[0]:
            while due and seconds >= due[0]:
                due.pop(0)
            shown = gon.decode(gon.encode(test.batch(few).to(device)), batch.coords.to(device)).cpu()
            rows[f"{seconds:.0f} s, step {step}"] = signal.things(shown)
        if not due:
            raise _Enough

    with contextlib.suppress(_Enough):
        work.train(recipe, work.folder / recipe.name, watch)
    if len(curve) < 2:
        raise SignalError(f"{work.folder}: holds a finished run; figure 5 times training itself: give a new --out")
    points = [(seconds, decibels) for seconds, decibels, _ in curve]
    pictures = {
        "": _sheet(signal, [*rows.values()], [*rows]),
        "_curve": draw_curve(points, "100 test signals", "seconds of training", "dB"),
    }
    return pictures, {"curve": [{"seconds": s, "psnr": p, "step": n} for s, p, n in curve]}


def _plane(work: _Workshop) -> Drawn:
    """Figure 6: test signals in a plane of latents, over what the linear head takes each place for."""
    from gonkit.labels import classified, draw_plane

    model = work.model("classes")
    seen = classified(model.gon, model.signal.dataset("test"))
    head = model.gon.head
    if seen is None or head is None or seen.latent.shape[1] != 2:
        raise SignalError("figure 6 needs a classifier with latent.dim = 2 on signals with labels")
    return {"": draw_plane(seen, head)}, seen.figures()


def _histogram(work: _Workshop) -> Drawn:
    """Figure 7: all numbers of held-out latents after some steps, and how normal the latents are."""
    recipe = work.recipe("space")
    batch = recipe.signal.dataset("val").evenly(HELD_OUT)
    tested = [step // 10 if work.quick else step for step in TESTED]
    pictures: dict[str, Any] = {}
    measured: dict[str, Any] = {}

    def watch(step: int, seconds: float, gon: GON) -> None:
        if step not in tested:
            return
        latent = gon.encode(batch.to(gon.scale.device)).cpu()
        title = f"{latent.numel():,} numbers of held-out latents after {step:,} steps, and their normal"
        pictures[f"_step{step}"] = draw_histogram(latent, title)
        measured[str(step)] = {"normality": normality(latent)} | _shape(latent.flatten())

    work.train(recipe, work.folder / recipe.name, watch)
    if not measured:
        raise SignalError(f"{work.folder}: holds a finished run; figure 7 looks at training itself: give a new --out")
    return pictures, measured


def _shape(numbers: Tensor) -> dict[str, float]:
    """Deviation, skewness and excess kurtosis of all numbers of latents together; a normal has 0 for the last two."""
    numbers = numbers.double()
    scaled = (numbers - numbers.mean()) / numbers.std().clamp_min(1e-12)
    return {
        "deviation": numbers.std().item(),
        "skewness": scaled.pow(3).mean().item(),
        "excess_kurtosis": scaled.pow(4).mean().item() - 3,
    }
