"""After training: figures on the test signals, the prior, the objects, the report and the model file."""

from __future__ import annotations

__all__ = ["finish", "write_objects"]

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gonkit.checkpoint import write_atomically
from gonkit.evaluation import encode_all, evaluate, nearest, pca_baseline
from gonkit.gon import GON
from gonkit.keeping import Kept
from gonkit.labels import classified, draw_confusion, draw_plane
from gonkit.latents import slerp
from gonkit.model import MODEL_FILE, Model
from gonkit.observation import observation_curve
from gonkit.priors import Prior, fit_prior
from gonkit.recipe import Recipe
from gonkit.report import Section, write_report
from gonkit.sheet import contact_sheet
from gonkit.signal import Signal, SignalError, SignalSet
from gonkit.tracking import show_projector

COLUMNS = 10  # objects on a row
SAMPLES = 40
FILES = 20  # samples kept as files
PATHS = 4  # interpolations shown
STARTS = range(0, SAMPLES, COLUMNS)
PROJECTED = 400  # latents in the projector; a quarter where pictures of objects take long to make


def finish(
    recipe: Recipe, gon: GON, train: SignalSet, val: SignalSet, test: SignalSet, folder: Path, seconds: float
) -> dict[str, float]:
    """Makes all that a run leaves behind; the same network gives the same files.

    Args:
        recipe: what was trained.
        gon: the trained network.
        train: signals that the prior is fitted to, and the baseline.
        val: signals that choose the prior's number of components.
        test: signals that are judged.
        folder: of the run.
        seconds: that training took.

    Returns:
        What evaluation.json holds.
    """
    known = encode_all(gon, train)
    prior = _prior(recipe, train, known, val, encode_all(gon, val))
    model = Model(recipe, gon, prior, train.classes)
    model.save(folder / MODEL_FILE)

    evaluation = evaluate(gon, recipe, test)
    sections, notes = [], []
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    if recipe.objective().reads("values"):
        evaluation |= pca_baseline(recipe.signal, train, test, recipe.latent.dim)
        sections += _objects(model, train, known, test, folder / "samples", evaluation)
        low, high = recipe.signal.value_range
        notes.append(
            "psnr is that of the mean error, psnr_mean the mean of the signals' own, both over values from "
            f"{low:g} to {high:g}; snr is that of all power to all error."
        )
    if recipe.signal.source_channels:
        notes.append(
            "gonkit: predicted from the source alone, with the latent at the origin. informed: from the source and the "
            "latent of the signal itself."
        )
    if "nearest_mean" in evaluation:
        notes.append(
            "nearest: how much a sample is like the training signal most like it, as the correlation of their values "
            "about the training mean; 1 would be a copy. test_nearest is the same for reconstructions of test signals."
        )
    if recipe.evaluate.observed:
        made, figures = _observed(model, test, recipe.evaluate.observed)
        sections.append(made)
        evaluation |= figures
    sections += _labels(model, test, folder / "samples")
    evaluation |= {
        "prior_components": float(prior.components),
        "steps": float(recipe.train.steps),
        "kept_step": float(Kept(folder, recipe.train.keep).step() or recipe.train.steps),
        "seconds": seconds,
    }
    if not recipe.signal.source_channels:
        _project(model, test, folder)
    write_atomically(folder / "evaluation.json", json.dumps(evaluation, indent=2).encode())
    baselines = ["pca", *test.baselines(torch.arange(1))]
    notes = [f"{len(test)} test signals.", *notes, *{part.note for part in (train, val, test)} - {""}]
    write_report(folder, recipe, evaluation, sections, notes, baselines)
    return evaluation


def _project(model: Model, test: SignalSet, folder: Path) -> None:
    """Latents of test signals in TensorBoard's projector."""
    index = test.spread(PROJECTED if model.signal.pictured else PROJECTED // 4)
    latent = model.encode(test.observed(index))
    things = test.originals(index, model.signal) or model.decode(latent)
    labels = test.labels()
    names = None if labels is None else [_class_name(test.classes, int(labels[i])) for i in index]
    pictures = [model.signal.picture(thing) for thing in things]
    show_projector(folder, latent, test.names(index), names, pictures)


def _class_name(classes: Sequence[str], number: int) -> str:
    return classes[number] if number < len(classes) else str(number)


def _prior(recipe: Recipe, train: SignalSet, known: Tensor, val: SignalSet, held_out: Tensor) -> Prior:
    """Fitted to the training latents `known`, for each label if the recipe asks for it and there are any."""
    label, held_out_label = (part.labels() if recipe.prior.per_class else None for part in (train, val))
    components, seed = recipe.prior.components, recipe.train.seed
    return fit_prior(recipe.prior.kind, known, held_out, components, seed, label=label, held_out_label=held_out_label)


def write_objects(
    signal: Signal, things: Sequence[Any], folder: Path, stem: str, suffix: str | None = None
) -> list[Path | None]:
    """Natural objects as files `stem_00`, `stem_01` and so on in a folder; None, with a note, where one cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    places = max(2, len(str(len(things) - 1)))
    paths: list[Path | None] = []
    for index, thing in enumerate(things):
        try:
            paths.append(signal.save(thing, folder / f"{stem}_{index:0{places}d}", suffix))
        except SignalError as error:
            print(f"note: {error}", file=sys.stderr)
            paths.append(None)
    return paths


def _objects(
    model: Model, train: SignalSet, known: Tensor, test: SignalSet, folder: Path, evaluation: dict[str, float]
) -> list[Section]:
    """What the report shows, written as files.

    Adds to the figures how like training signals, of latents `known` (N, K), the samples are.
    """
    signal, sections = model.signal, []

    def section(name: str, title: str, rows: Sequence[Sequence[Any]], titles: Sequence[str] | None = None) -> Section:
        path = folder / f"{name}.png"
        contact_sheet([[signal.picture(thing) for thing in row] for row in rows], titles).save(path)
        sections.append(Section(title, path))
        return sections[-1]

    index = test.spread(COLUMNS)
    given, wanted = test.pair(index)
    latent = model.encode(given)
    if wanted.source is None:
        rows = {"gonkit": model.decode(latent)}
    else:
        source = wanted.source.to(model.device)
        rows = {
            title: signal.things(model.gon.decode(z.to(model.device), wanted.coords.to(model.device), source).cpu())
            for title, z in (("gonkit", torch.zeros_like(latent)), ("informed", latent))
        }
    rows = {"original": test.originals(index, signal)} | rows
    rows |= {name: signal.things(values) for name, values in test.baselines(index).items()}
    shown = {title: row for title, row in rows.items() if row}
    made = section("reconstructions", "Test signals and what is predicted of them", [*shown.values()], [*shown])
    if not signal.pictured:
        files = [write_objects(signal, row, folder, title) for title, row in shown.items()]
        for column in zip(*files, strict=True):
            made.add(column, [*shown])
    if signal.observes is not signal and (sources := test.given(index)):
        kind = signal.observes
        path = folder / "sources.png"
        contact_sheet([[kind.picture(thing) for thing in sources]], ["source"]).save(path)
        sections.insert(0, Section("What is given of them", path))
    if signal.source_channels:
        return sections

    drawn = model.prior.sample(SAMPLES, seed=model.recipe.train.seed)
    samples = model.decode(drawn)
    made = section("samples", "New signals, drawn from the prior", [samples[i : i + COLUMNS] for i in STARTS])
    found = nearest(model.gon, signal, train, known, drawn)
    paths = write_objects(signal, samples[:FILES], folder, "sample")
    made.add(paths, [f"nearest: {name}, {like:.2f}" for name, like in found[:FILES]])
    held_out = nearest(model.gon, signal, train, known, model.encode(test.observed(test.spread(SAMPLES))))
    likeness = [like for _, like in found]
    evaluation["nearest_mean"], evaluation["nearest_max"] = sum(likeness) / len(likeness), max(likeness)
    evaluation["test_nearest_mean"] = sum(like for _, like in held_out) / len(held_out)

    pairs = min(PATHS, len(latent) // 2)
    if pairs:
        steps = torch.linspace(0, 1, COLUMNS)
        between = [model.decode(slerp(latent[2 * i], latent[2 * i + 1], steps)) for i in range(pairs)]
        made = section("interpolations", "From one test signal to another, along the sphere", between)
        if not signal.pictured:
            made.add(write_objects(signal, between[0], folder, "between"), [f"step {i + 1}" for i in range(COLUMNS)])
    return sections


def _labels(model: Model, test: SignalSet, folder: Path) -> list[Section]:
    """Which labels are taken for which, and, of two-dimensional latents, where they lie."""
    seen = classified(model.gon, test)
    if seen is None or model.gon.head is None:
        return []
    path = folder / "confusion.png"
    draw_confusion(seen.confusion(), seen.classes).save(path)
    sections = [Section("True labels, in rows, and those given by gonkit", path)]
    if seen.latent.shape[1] == 2:
        path = folder / "plane.png"
        draw_plane(seen, model.gon.head).save(path)
        sections.append(Section("The plane of latents: test signals, and what each place is taken for", path))
    return sections


def _observed(model: Model, test: SignalSet, shares: Sequence[float]) -> tuple[Section, dict[str, float]]:
    """A table of how well whole signals are predicted from a share of their points."""
    rows = observation_curve(model.gon, model.signal, test, shares, model.recipe.train.seed)
    text = {
        "observed": "share observed",
        "psnr": "all points, dB",
        "hidden": "hidden points, dB",
        "zeros": "hidden points with zeros for them, dB",
    }
    table = [list(text.values()), *([f"{row[key]:.4g}" if key in row else "" for key in text] for row in rows)]
    figures = {f"observed_{r['observed']:g}_{k}": v for r in rows for k, v in r.items() if k != "observed"}
    return Section("Encoded from a share of the points", table=table), figures
