"""The sections of a report: test signals and their predictions, samples, interpolations, labels."""

from __future__ import annotations

__all__ = ["Gallery", "classification_sections", "object_sections", "partial_observation_section"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gonkit.data import Signal, SignalDataset, evenly_spaced
from gonkit.evaluation import classify_dataset, nearest_training_signals, partial_observation_curve
from gonkit.files import atomic_path
from gonkit.inference import (
    Model,
    input_objects,
    interpolate,
    reconstruct_objects,
    reference_objects,
    save_objects,
)
from gonkit.pipeline.report import Section
from gonkit.plotting import draw_confusion_matrix, draw_latent_plane, image_grid

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

COLUMNS = 10  # objects in a row
NUM_SAMPLES = 40
NUM_FILES = 20  # samples kept as files
NUM_PATHS = 4  # interpolations shown


@dataclass(frozen=True)
class Gallery:
    """Writes pictures and objects of a model to the folder `samples` of its run.

    Attributes:
        model: the trained model.
        run: its folder.
    """

    model: Model
    run: Path

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.run / "samples"

    def save_picture(self, name: str, picture: Picture) -> Path:
        """Saves a picture under a name."""
        path = self.folder / f"{name}.png"
        with atomic_path(path) as temporary:
            picture.save(temporary)
        return path

    def section(
        self,
        name: str,
        title: str,
        rows: Sequence[Sequence[Any]],
        titles: Sequence[str] | None = None,
        signal: Signal | None = None,
    ) -> Section:
        """A section with a grid of previews; `signal` is the type of the objects if not the output type."""
        signal = signal or self.model.task.output_type
        grid = image_grid([[signal.preview(obj) for obj in row] for row in rows], titles)
        return Section(title, self.save_picture(name, grid))

    def add_objects(self, section: Section, objects: Sequence[Any], stem: str, captions: Sequence[str]) -> None:
        """Saves objects and adds them to a section, as the signal type displays them."""
        signal = self.model.task.output_type
        paths = save_objects(signal, objects, self.folder, stem, count=len(objects))
        for obj, path, caption in zip(objects, paths, captions, strict=True):
            if path is not None:
                shown = signal.display.html(path.relative_to(self.run).as_posix(), signal.preview(obj))
                section.objects.append((shown, caption))


def object_sections(
    gallery: Gallery, train: SignalDataset, train_latent: Tensor | None, test: SignalDataset, test_latent: Tensor
) -> tuple[list[Section], dict[str, float]]:
    """What the report shows of a model that decodes, and how similar its samples are to training signals.

    Args:
        gallery: where files go.
        train: training signals.
        train_latent: (N, K) of them, if they are known already.
        test: test signals.
        test_latent: (N', K) of them.
    """
    task = gallery.model.task
    index = evenly_spaced(COLUMNS, len(test))
    sections = []
    if inputs := input_objects(task, test, index):
        sections.append(gallery.section("sources", "Inputs of the test signals", [inputs], ["source"], task.input_type))
    sections.append(_reconstructions(gallery, test, index))
    if task.conditioning_channels:
        return sections, {}
    samples, similarity = _samples(gallery, train, train_latent, test, test_latent)
    sections.append(samples)
    if len(index) > 1:
        sections.append(_interpolations(gallery, test_latent[index]))
    return sections, similarity


def _reconstructions(gallery: Gallery, test: SignalDataset, index: Tensor) -> Section:
    model = gallery.model
    task, signal = model.task, model.task.output_type
    rows: dict[str, list[Any]] = {"original": reference_objects(task, test, index)}
    if task.conditioning_channels:
        rows["gonkit"] = reconstruct_objects(model.gon, task, test, index, at_origin=True)
        rows["informed"] = reconstruct_objects(model.gon, task, test, index)
    else:
        rows["gonkit"] = reconstruct_objects(model.gon, task, test, index)
    if signal.on_grid(test.pair(index, evaluate=True).target):
        rows |= {name: signal.to_objects(values) for name, values in test.baselines(index).items()}
    rows = {title: row for title, row in rows.items() if row}
    section = gallery.section("reconstructions", "Test signals and their predictions", [*rows.values()], [*rows])
    if not signal.display.preview_is_complete:
        columns = Section("")
        for title, row in rows.items():
            gallery.add_objects(columns, row, title, [title] * len(row))
        for i in range(len(index)):  # a signal's original beside its predictions
            section.objects.extend(columns.objects[i :: len(index)])
    return section


def _samples(
    gallery: Gallery, train: SignalDataset, train_latent: Tensor | None, test: SignalDataset, test_latent: Tensor
) -> tuple[Section, dict[str, float]]:
    model = gallery.model
    signal = model.task.output_type
    latent = model.prior.sample(NUM_SAMPLES, seed=model.recipe.train.seed)
    objects = model.decode(latent)
    rows = [objects[i : i + COLUMNS] for i in range(0, NUM_SAMPLES, COLUMNS)]
    section = gallery.section("samples", "New signals, sampled from the prior", rows)
    held_out = test_latent[evenly_spaced(NUM_SAMPLES, len(test))]
    nearest = nearest_training_signals(model.gon, signal, train, torch.cat((latent, held_out)), train_latent)
    captions = [f"nearest: {name}, {similarity:.2f}" for name, similarity in nearest]
    gallery.add_objects(section, objects[:NUM_FILES], "sample", captions[:NUM_FILES])
    similarity = [value for _, value in nearest[:NUM_SAMPLES]]
    usual = [value for _, value in nearest[NUM_SAMPLES:]]
    own = signal.measures.sample_metrics(objects)
    return section, {f"samples_{name}": value for name, value in own.items()} | {
        "nearest_mean": sum(similarity) / len(similarity),
        "nearest_max": max(similarity),
        "test_nearest_mean": sum(usual) / len(usual),
    }


def _interpolations(gallery: Gallery, latent: Tensor) -> Section:
    pairs = range(min(NUM_PATHS, len(latent) // 2))
    rows = [gallery.model.decode(interpolate(latent[2 * i], latent[2 * i + 1], COLUMNS)) for i in pairs]
    section = gallery.section("interpolations", "From one test signal to another, along the sphere", rows)
    if not gallery.model.task.output_type.display.preview_is_complete:
        gallery.add_objects(section, rows[0], "interpolation", [f"step {i + 1}" for i in range(COLUMNS)])
    return section


def classification_sections(gallery: Gallery, test: SignalDataset, test_latent: Tensor) -> list[Section]:
    """The confusion matrix and, for latents of two dimensions, the plane of latents; empty without a label head."""
    model = gallery.model
    result = classify_dataset(model.gon, test, test_latent)
    if result is None:
        return []
    matrix = draw_confusion_matrix(result.confusion_matrix(), result.class_names)
    title = "True labels in rows, predicted labels in columns"
    sections = [Section(title, gallery.save_picture("confusion", matrix))]
    if result.latent.shape[1] == 2:
        plane = draw_latent_plane(
            result.latent,
            result.label,
            result.class_names,
            lambda latent: model.gon.classify(latent.to(model.device)).argmax(1).cpu(),
        )
        title = "The plane of latents: test signals, and the predicted class everywhere"
        sections.append(Section(title, gallery.save_picture("plane", plane)))
    return sections


def partial_observation_section(gallery: Gallery, test: SignalDataset) -> tuple[Section, dict[str, float]]:
    """A table of how well whole signals are predicted from a share of their points, and its numbers."""
    model = gallery.model
    shares = model.recipe.evaluate.observed
    rows = partial_observation_curve(model.gon, model.task, test, shares, model.recipe.train.seed)
    heads: Mapping[str, str] = {
        "observed": "share observed",
        "psnr": "all points, dB",
        "hidden": "hidden points, dB",
        "zeros": "hidden points with zeros for them, dB",
    }
    table = [list(heads.values()), *([f"{row[key]:.4g}" if key in row else "" for key in heads] for row in rows)]
    metrics = {f"observed_{r['observed']:g}_{k}": v for r in rows for k, v in r.items() if k != "observed"}
    return Section("Encoded from a share of the points", table=table), metrics
