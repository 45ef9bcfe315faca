"""After training: figures on the test signals, the prior, the objects, the report and the model file."""

from __future__ import annotations

__all__ = ["finish", "write_objects"]

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gonkit.checkpoint import write_atomically
from gonkit.evaluation import encode_all, evaluate, nearest, pca_baseline
from gonkit.gon import GON
from gonkit.latents import slerp
from gonkit.model import MODEL_FILE, Model
from gonkit.priors import fit_prior
from gonkit.recipe import Recipe
from gonkit.report import Section, write_report
from gonkit.sheet import contact_sheet
from gonkit.signal import Signal, SignalError, SignalSet

COLUMNS = 10  # objects on a row
SAMPLES = 40
FILES = 20  # samples kept as files
PATHS = 4  # interpolations shown


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
    prior = fit_prior(
        recipe.prior.kind, encode_all(gon, train), encode_all(gon, val), recipe.prior.components, recipe.train.seed
    )
    model = Model(recipe, gon, prior)
    model.save(folder / MODEL_FILE)

    evaluation = evaluate(gon, recipe.signal, test)
    evaluation |= pca_baseline(recipe.signal, train, test, recipe.latent.dim)
    evaluation |= {
        "prior_components": float(len(prior.weights)),
        "steps": float(recipe.train.steps),
        "seconds": seconds,
    }

    sections, likeness = _objects(model, train, test, folder / "samples")
    if likeness:
        evaluation["nearest_mean"], evaluation["nearest_max"] = sum(likeness) / len(likeness), max(likeness)
        known = nearest(gon, recipe.signal, train, model.encode(test.evenly(SAMPLES)))
        evaluation["test_nearest_mean"] = sum(like for _, like in known) / len(known)
    write_atomically(folder / "evaluation.json", json.dumps(evaluation, indent=2).encode())

    low, high = recipe.signal.value_range
    notes = [
        f"{len(test)} test signals; psnr is that of the mean error, psnr_mean the mean of the signals' own, both over "
        f"values from {low:g} to {high:g}; snr is that of all power to all error.",
        *{part.note for part in (train, val, test)} - {""},
    ]
    if likeness:
        notes.append(
            "nearest: how much a sample is like the training signal most like it, as the correlation of their values "
            "about the training mean; 1 would be a copy. test_nearest is the same for reconstructions of test signals."
        )
    write_report(folder, recipe, evaluation, sections, notes)
    return evaluation


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


def _objects(model: Model, train: SignalSet, test: SignalSet, folder: Path) -> tuple[list[Section], list[float]]:
    """What the report shows, written as files, and how like training signals the samples are."""
    folder.mkdir(parents=True, exist_ok=True)
    signal, sections = model.signal, []

    def section(name: str, title: str, rows: Sequence[Sequence[Any]], titles: Sequence[str] | None = None) -> Section:
        path = folder / f"{name}.png"
        contact_sheet([[signal.picture(thing) for thing in row] for row in rows], titles).save(path)
        sections.append(Section(title, path))
        return sections[-1]

    index = test.spread(COLUMNS)
    shown = test.batch(index)
    latent = model.encode(shown)
    if shown.source is None:
        rows, titles = [model.decode(latent)], ["gonkit"]
        if originals := test.originals(index, signal):
            rows, titles = [originals, *rows], ["original", *titles]
        made = section("reconstructions", "Test signals and their reconstructions", rows, titles)
        if not signal.pictured:
            files = [write_objects(signal, row, folder, title) for row, title in zip(rows, titles, strict=True)]
            for pair in zip(*files, strict=True):
                made.add(pair, titles)
    if signal.source_channels:
        return sections, []

    drawn = model.prior.sample(SAMPLES, seed=model.recipe.train.seed)
    samples = model.decode(drawn)
    rows = [samples[start : start + COLUMNS] for start in range(0, SAMPLES, COLUMNS)]
    made = section("samples", "New signals, drawn from the prior", rows)
    found = nearest(model.gon, signal, train, drawn)
    paths = write_objects(signal, samples[:FILES], folder, "sample")
    made.add(paths, [f"nearest: {name}, {like:.2f}" for name, like in found[:FILES]] or [""] * len(paths))

    pairs = min(PATHS, len(latent) // 2)
    if pairs:
        steps = torch.linspace(0, 1, COLUMNS)
        rows = [model.decode(slerp(latent[2 * i], latent[2 * i + 1], steps)) for i in range(pairs)]
        made = section("interpolations", "From one test signal to another, along the sphere", rows)
        if not signal.pictured:
            made.add(write_objects(signal, rows[0], folder, "between"), [f"step {i + 1}" for i in range(COLUMNS)])
    return sections, [like for _, like in found]
