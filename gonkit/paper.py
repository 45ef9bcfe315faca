"""The figures of Bond-Taylor & Willcocks, Gradient Origin Networks, arXiv 2007.02798, drawn with gonkit.

Each figure trains the networks that it needs by a recipe of recipes/paper, in run folders of its own, and resumes them
if they were interrupted.
"""

from __future__ import annotations

__all__ = ["draw_figure"]

import sys
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL.Image import Image as Picture
from torch import Tensor

from gonkit.data import Pair, Signal, evenly_spaced
from gonkit.errors import GonkitError
from gonkit.evaluation import classify_dataset
from gonkit.files import atomic_path, write_json
from gonkit.inference import MODEL_FILE, Model, encode_signals, interpolate, reconstruct_objects, reference_objects
from gonkit.metrics import batch_mse, psnr
from gonkit.nn import GON
from gonkit.pipeline import run_recipe
from gonkit.plotting import draw_curve, draw_histogram, draw_latent_plane, image_grid
from gonkit.priors import normality
from gonkit.recipe import Recipe, read_recipe
from gonkit.training import TrainCallback, TrainProgress

RECIPES = Path(__file__).parent.parent / "recipes" / "paper"
COLUMNS = 10  # objects in a row
ROWS = 6
NUM_MEASURED = 1000  # signals on which figures 2 and 7 measure
NUM_TIMED = 100  # test signals whose PSNR figure 5 follows
TIME_STAMPS = (1.0, 3.0, 10.0, 30.0, 60.0)  # seconds of training after which figure 5 shows signals
HISTOGRAM_STEPS = (0, 200, 800, 3000)  # after which figure 7 draws a histogram

FigureOutput = tuple[Mapping[str, Picture], Mapping[str, Any]]
"""Pictures by the ending of their file name, and the content of the JSON file."""


def draw_figure(
    number: int, folder: Path, overrides: Sequence[str] = (), *, quick: bool = False, run: Path | None = None
) -> list[Path]:
    """Draws a figure of the paper, and writes what was measured to a JSON file beside it.

    Args:
        number: 2 (few parameters), 3 (interpolations), 4 (samples), 5 (the first minute of training), 6 (classes in a
            plane of latents) or 7 (the distribution of latents).
        folder: for the pictures, the JSON file and the run folders.
        overrides: `section.key=value`, for the figure's recipe.
        quick: a tenth of the training steps.
        run: a finished run to draw from, instead of training one; for figures 3, 4 and 6.

    Returns:
        The paths of the files.

    Raises:
        GonkitError: no such figure or recipe, a mistake in the recipe, or a run that this figure cannot be drawn from.
        TrainingInterrupted: Ctrl-C; the same call resumes the run.
    """
    figures = {2: _few_parameters, 3: _paths, 4: _samples, 5: _first_minute, 6: _class_plane, 7: _histograms}
    if number not in figures:
        raise GonkitError(f"figure {number}: there is no such figure; choose from {', '.join(map(str, figures))}")
    if run is not None and number not in (3, 4, 6):
        raise GonkitError(
            f"--run: figure {number} looks at training itself or compares two networks, which one finished run does "
            "not show; leave --run out"
        )
    pictures, measured = figures[number](FigureContext(folder, tuple(overrides), quick, run))
    paths = []
    for ending, picture in pictures.items():
        paths.append(folder / f"figure{number}{ending}.png")
        with atomic_path(paths[-1]) as temporary:
            picture.save(temporary)
    paths.append(folder / f"figure{number}.json")
    write_json(paths[-1], measured)
    return paths


@dataclass(frozen=True)
class FigureContext:
    """The recipes and runs of a figure.

    Attributes:
        folder: of the figure.
        overrides: of its recipes.
        quick: a tenth of the training steps.
        run: a finished run to use instead of training one.
    """

    folder: Path
    overrides: tuple[str, ...]
    quick: bool
    run: Path | None

    def recipe(self, name: str, *settings: str) -> Recipe:
        """A recipe of the paper's figures, with the figure's own settings and the user's."""
        path = RECIPES / f"{name}.toml"
        if not path.is_file():
            raise GonkitError(f"{path}: no such recipe; gonkit figure needs a clone of the repository")
        recipe = read_recipe(path, [*settings, *self.overrides])
        if not self.quick:
            return recipe
        train = recipe.train
        return recipe.with_train(steps=max(1, train.steps // 10), validate_every=max(1, train.validate_every // 10))

    def model(self, name: str, *settings: str) -> Model:
        """The user's finished run; or the model of a recipe, which is trained if it is not finished."""
        if self.run is not None:
            return Model.load(self.run)
        recipe = self.recipe(name, *settings)
        folder = self.folder / "-".join([recipe.name, *settings]).replace("=", "-")
        recipe = _recipe_of_run(recipe, folder)
        if not (folder / MODEL_FILE).exists():
            _train(recipe, folder)
        return Model.load(folder)

    def observe_training(self, recipe: Recipe, callback: TrainCallback, observations: Sized) -> None:
        """Trains a recipe with a callback that fills `observations`.

        Raises:
            GonkitError: nothing was observed, because the folder holds a finished run.
        """
        folder = self.folder / recipe.name
        recipe = _recipe_of_run(recipe, folder)
        if not (folder / MODEL_FILE).exists():
            _train(recipe, folder, [callback])
        if not len(observations):
            raise GonkitError(f"{folder}: holds a finished run, but this figure looks at training; give a new --out")


def _train(recipe: Recipe, folder: Path, callbacks: Sequence[TrainCallback] = ()) -> None:
    run_recipe(recipe, folder, callbacks=callbacks, echo=lambda line: print(line, file=sys.stderr))


def _recipe_of_run(requested: Recipe, folder: Path) -> Recipe:
    """The recipe of the run in a folder, in which "auto" is resolved; the requested one if there is no run yet.

    Raises:
        GonkitError: the run has other settings.
    """
    path = folder / "recipe.toml"
    if not path.is_file():
        return requested
    stored = read_recipe(path, stored=True)
    auto = [key for key, value in requested.train.model_dump().items() if value == "auto"]
    requested = requested.with_train(**{key: getattr(stored.train, key) for key in auto})
    tables, stored_tables = (one.model_dump(mode="json", serialize_as_any=True) for one in (requested, stored))
    different = [
        f"{section}.{key}"
        for section in tables.keys() - {"name"}
        for key, value in tables[section].items()
        if value != stored_tables[section].get(key)
    ]
    if different:
        raise GonkitError(
            f"{folder}: holds a run with other settings ({', '.join(sorted(different))}); repeat its --set and "
            "--quick, or give a new --out"
        )
    return stored


def _few_parameters(context: FigureContext) -> FigureOutput:
    """Figure 2: networks of 4,321 and 4,385 parameters, and their reconstructions of training signals."""
    rows: dict[str, list[Any]] = {}
    measured: dict[str, Any] = {}
    for dim in (32, 34):
        model = context.model("overfit", f"latent.dim={dim}")
        model.require("predict")
        task, train = model.task, model.dataset("train")
        shown = evenly_spaced(COLUMNS, len(train))
        rows.setdefault("original", reference_objects(task, train, shown))
        parameters = sum(weight.numel() for weight in model.gon.parameters())
        rows[f"{parameters:,} parameters"] = reconstruct_objects(model.gon, task, train, shown)
        pair = train.pair(evenly_spaced(NUM_MEASURED, len(train)), evaluate=True)
        measured[f"{parameters}_parameters"] = {
            "latents": model.recipe.latent.dim,
            "training_psnr": _mean_psnr(model.gon, task.output_type, pair),
        }
    return {"": _titled_grid(task.output_type, rows)}, measured


def _paths(context: FigureContext) -> FigureOutput:
    """Figure 3: interpolations between test signals, along great circles."""
    model = context.model("space")
    model.require("decode")
    test = model.dataset("test")
    latent = encode_signals(model.gon, test, evenly_spaced(2 * COLUMNS, len(test)))
    pairs = list(zip(latent[::2], latent[1::2], strict=False))[:ROWS]
    if not pairs:
        raise GonkitError("figure 3 interpolates between test signals, and there is only one; give more signals")
    rows = [model.decode(interpolate(a, b, COLUMNS)) for a, b in pairs]
    return {"": _grid(model.task.output_type, rows)}, {"pairs": len(rows)}


def _samples(context: FigureContext) -> FigureOutput:
    """Figure 4: samples from the prior, not selected."""
    model = context.model("space")
    objects = model.sample(ROWS * COLUMNS, seed=0)
    rows = [objects[start : start + COLUMNS] for start in range(0, len(objects), COLUMNS)]
    prior = {"prior": model.recipe.prior.kind, "components": model.prior.num_components}
    return {"": _grid(model.task.output_type, rows)}, prior


def _first_minute(context: FigureContext) -> FigureOutput:
    """Figure 5: reconstructions of test signals after some seconds of training, and their PSNR over time."""
    recipe = context.recipe("minute")
    if not recipe.objective.requires("values"):
        raise GonkitError("figure 5 shows reconstructions: leave loss.outer as it is, or add a term such as mse")
    task, test = recipe.signal, recipe.signal.dataset("test")
    timed = test.pair(evenly_spaced(NUM_TIMED, len(test)), evaluate=True)
    shown = evenly_spaced(COLUMNS, len(test))
    rows = {"original": reference_objects(task, test, shown)}
    curve: list[dict[str, float]] = []
    pending = list(TIME_STAMPS)

    def measure(progress: TrainProgress) -> bool:
        step, seconds, gon = progress.step, progress.seconds, progress.network
        curve.append({"seconds": seconds, "psnr": _mean_psnr(gon, task.output_type, timed), "step": step})
        if seconds >= pending[0]:
            rows[f"{seconds:.0f} s, step {step}"] = reconstruct_objects(gon, task, test, shown)
        while pending and seconds >= pending[0]:
            pending.pop(0)
        return not pending

    context.observe_training(recipe, measure, curve)
    points = [(point["seconds"], point["psnr"]) for point in curve]
    pictures = {
        "": _titled_grid(task.output_type, rows),
        "_curve": draw_curve(points, f"{len(timed.target)} test signals", "seconds of training", "PSNR in dB"),
    }
    return pictures, {"curve": curve}


def _class_plane(context: FigureContext) -> FigureOutput:
    """Figure 6: test signals in a plane of latents, over the regions of the predicted classes."""
    model = context.model("classes")
    gon, result = model.gon, None
    if gon.classifier is not None and model.recipe.latent.dim == 2:
        result = classify_dataset(gon, model.dataset("test"))
    if result is None:
        raise GonkitError("figure 6 needs a classifier with latent.dim = 2, and test signals with labels")

    def classify(latent: Tensor) -> Tensor:
        return gon.classify(latent.to(gon.device)).argmax(1).cpu()

    picture = draw_latent_plane(result.latent, result.label, model.class_names, classify)
    return {"": picture}, result.metrics()


def _histograms(context: FigureContext) -> FigureOutput:
    """Figure 7: all components of held-out latents after some steps, and how normal the latents are."""
    recipe = context.recipe("space")
    val = recipe.signal.dataset("val")
    index = evenly_spaced(NUM_MEASURED, len(val))
    steps = [step // 10 if context.quick else step for step in HISTOGRAM_STEPS]
    pictures: dict[str, Picture] = {}
    measured: dict[str, Any] = {}

    def measure(progress: TrainProgress) -> None:
        if progress.step not in steps:
            return
        latent = encode_signals(progress.network, val, index)
        title = f"{latent.numel():,} components of held-out latents after {progress.step:,} steps"
        pictures[f"_step{progress.step}"] = draw_histogram(latent, title)
        measured[str(progress.step)] = {"normality": normality(latent)} | _moments(latent)

    context.observe_training(recipe, measure, measured)
    return pictures, measured


def _mean_psnr(gon: GON, signal: Signal, pair: Pair) -> float:
    """PSNR in dB of the mean error of some signals, over the type's range."""
    inputs, target = (part.to(gon.device) for part in pair)
    values = gon.decode(gon.encode(inputs), target.coords, target.source)
    low, high = signal.value_range
    return psnr(batch_mse(values, target).mean(), high - low).item()


def _moments(values: Tensor) -> dict[str, float]:
    """Standard deviation, skewness and excess kurtosis of all values; the last two are 0 for a normal distribution."""
    values = values.flatten().double()
    std = values.std()
    scaled = (values - values.mean()) / std.clamp_min(1e-12)
    skewness, kurtosis = (scaled.pow(power).mean().item() for power in (3, 4))
    return {"std": std.item(), "skewness": skewness, "excess_kurtosis": kurtosis - 3}


def _titled_grid(signal: Signal, rows: Mapping[str, Sequence[Any]]) -> Picture:
    """Previews of objects in rows, by the rows' titles; empty rows are left out."""
    shown = {title: objects for title, objects in rows.items() if objects}
    return _grid(signal, list(shown.values()), list(shown))


def _grid(signal: Signal, rows: Sequence[Sequence[Any]], titles: Sequence[str] | None = None) -> Picture:
    return image_grid([[signal.preview(obj) for obj in row] for row in rows], titles)
