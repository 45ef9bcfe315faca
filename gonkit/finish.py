"""After training: figures on the test signals, the prior, the objects, the report and the model file."""

from __future__ import annotations

__all__ = ["finish", "write_objects"]

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from gonkit.checkpoint import write_atomically
from gonkit.evaluation import encode_all, evaluate, pca_baseline
from gonkit.gon import GON
from gonkit.latents import slerp
from gonkit.model import MODEL_FILE, Model
from gonkit.priors import fit_prior
from gonkit.recipe import Recipe
from gonkit.report import write_report
from gonkit.sheet import contact_sheet
from gonkit.signal import Batch, Signal, SignalSet

COLUMNS = 10  # objects on a row
SAMPLES = 40
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
    write_atomically(folder / "evaluation.json", json.dumps(evaluation, indent=2).encode())

    sheets, files = _objects(model, test.evenly(COLUMNS), folder / "samples")
    notes = [
        f"{len(test)} test signals; psnr is that of the mean error, psnr_mean the mean of the signals' own, both over "
        f"values from {recipe.signal.value_range[0]:g} to {recipe.signal.value_range[1]:g}.",
        *{part.note for part in (train, val, test)} - {""},
    ]
    write_report(folder, recipe, evaluation, sheets, files, notes)
    return evaluation


def write_objects(signal: Signal, things: Sequence[Any], folder: Path, stem: str) -> list[Path]:
    """Natural objects as files `stem_00`, `stem_01` and so on in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    places = max(2, len(str(len(things) - 1)))
    return [signal.save(thing, folder / f"{stem}_{index:0{places}d}") for index, thing in enumerate(things)]


def _objects(model: Model, shown: Batch, folder: Path) -> tuple[list[tuple[str, Path]], list[Path]]:
    """Contact sheets with their titles, and the samples' own files."""
    folder.mkdir(parents=True, exist_ok=True)
    signal, sheets = model.signal, []

    def sheet(name: str, title: str, rows: Sequence[Sequence[Any]], titles: Sequence[str] | None = None) -> None:
        path = folder / f"{name}.png"
        contact_sheet([[signal.picture(thing) for thing in row] for row in rows], titles).save(path)
        sheets.append((title, path))

    latent = model.encode(shown)
    if shown.shared and shown.source is None:
        rows, titles = [model.decode(latent)], ["gonkit"]
        if shown.mask is None:
            rows.insert(0, [signal.render(values) for values in shown.values])
            titles.insert(0, "original")
        sheet("reconstructions", "Test signals and their reconstructions", rows, titles)
    if signal.source_channels:
        return sheets, []
    samples = model.sample(SAMPLES, seed=model.recipe.train.seed)
    rows = [samples[start : start + COLUMNS] for start in range(0, SAMPLES, COLUMNS)]
    sheet("samples", "New signals, drawn from the prior", rows)
    pairs = min(PATHS, len(latent) // 2)
    if pairs:
        steps = torch.linspace(0, 1, COLUMNS)
        paths = [model.decode(slerp(latent[2 * i], latent[2 * i + 1], steps)) for i in range(pairs)]
        sheet("interpolations", "From one test signal to another, along the sphere", paths)
    return sheets, write_objects(signal, samples[: 2 * COLUMNS], folder, "sample")
