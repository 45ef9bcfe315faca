"""After training: metrics of the test signals, the prior, objects, the report and the model file."""

from __future__ import annotations

__all__ = ["DatasetSplits", "write_artifacts"]

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import torch
from torch import Tensor

from gonkit.data import DataRecord, SignalDataset, Split, Task, duplicate_note, evenly_spaced, read_dataset
from gonkit.evaluation import evaluate, pca_baseline
from gonkit.files import write_json
from gonkit.inference import (
    MODEL_FILE,
    Model,
    decode_objects,
    encode_dataset,
    encode_signals,
    prior_indices,
    reference_objects,
)
from gonkit.nn import GON
from gonkit.pipeline.report import Section, write_report
from gonkit.pipeline.sections import Gallery, classification_sections, object_sections, partial_observation_section
from gonkit.priors import Prior, fit_prior
from gonkit.recipe import Recipe
from gonkit.training import FitResult, ModelSelection, log_embedding

MAX_EMBEDDED = 400  # latents in TensorBoard's projector; a quarter where previews take long


class DatasetSplits(NamedTuple):
    """The data sets of a run."""

    train: SignalDataset
    val: SignalDataset
    test: SignalDataset

    @staticmethod
    def read(task: Task) -> DatasetSplits:
        """All three splits of a task's data."""
        return DatasetSplits(*(read_dataset(task, split) for split in get_args(Split)))

    def by_name(self) -> dict[Split, SignalDataset]:
        """The data sets by the name of their split."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def notes(self, record: DataRecord | None = None) -> list[str]:
        """What a user should know about them: how they were read, and which signals are in two splits.

        Args:
            record: of their files, which are then not read for it.
        """
        return [
            *sorted({dataset.info.note for dataset in self} - {""}),
            *filter(None, [duplicate_note(self.by_name(), record)]),
        ]


def write_artifacts(
    recipe: Recipe,
    trained: FitResult,
    datasets: DatasetSplits,
    folder: Path,
    *,
    own_data: bool = False,
    notes: Sequence[str] = (),
) -> tuple[Model, dict[str, float]]:
    """Writes everything that a run leaves behind; the same network gives the same files.

    Args:
        recipe: what was trained.
        trained: the network.
        datasets: the prior and the baseline are fitted to `train`, the prior's number of components is chosen on
            `val`, and metrics are taken on `test`.
        folder: of the run.
        own_data: whether the data sets are others than those that the recipe names.
        notes: about the data, for the report.

    Returns:
        The model, and the content of evaluation.json.
    """
    train, test = datasets.train, datasets.test
    gon, objective = trained.gon, recipe.objective
    index = prior_indices(gon, train, recipe.prior.refine)
    train_latent = encode_signals(gon, train, index, refine=recipe.prior.refine)
    test_latent = encode_dataset(gon, test)
    prior = _fit_prior(recipe, gon, datasets, index, train_latent)
    model = Model(recipe, gon, prior, train.info.class_names, datasets.by_name() if own_data else None)
    model.save(folder / MODEL_FILE)

    evaluation = evaluate(gon, recipe, test, test_latent)
    gallery = Gallery(model, folder)
    sections: list[Section] = []
    if objective.requires("values"):
        evaluation |= pca_baseline(recipe.signal, train, test, recipe.latent.dim)
        known = train_latent if len(index) == len(train) else None
        made, similarity = object_sections(gallery, train, known, test, test_latent)
        sections, evaluation = sections + made, evaluation | similarity
    if recipe.evaluate.observed:
        section, curve = partial_observation_section(gallery, test)
        sections, evaluation = [*sections, section], evaluation | curve
    sections += classification_sections(gallery, test, test_latent)
    evaluation |= {
        "prior_components": float(prior.num_components),
        "steps": float(trained.steps),
        "selected_step": float(ModelSelection(folder, recipe.train.keep).step() or trained.steps),
        "seconds": trained.seconds,
    }
    if not recipe.signal.conditioning_channels:
        _log_embedding(model, test, test_latent, folder)
    write_json(folder / "evaluation.json", evaluation)
    baselines = ["pca", *test.baselines(torch.arange(1))]
    paragraphs = [f"{len(test)} test signals.", *_notes(recipe, evaluation), *notes]
    if trained.steps < recipe.train.steps:
        paragraphs.insert(0, f"The run was finished after {trained.steps} of {recipe.train.steps} steps.")
    write_report(folder, recipe, evaluation, sections, paragraphs, baselines)
    return model, evaluation


def _fit_prior(recipe: Recipe, gon: GON, datasets: DatasetSplits, index: Tensor, train_latent: Tensor) -> Prior:
    """The recipe's prior, fitted to the latents of the training signals `index` (B,)."""
    settings, train, val = recipe.prior, datasets.train, datasets.val
    label, held_out_label = (train.info.labels, val.info.labels) if settings.per_class else (None, None)
    return fit_prior(
        settings.kind,
        train_latent,
        encode_dataset(gon, val, refine=settings.refine),
        settings.components,
        recipe.train.seed,
        label=None if label is None else label[index],
        held_out_label=held_out_label,
    )


def _notes(recipe: Recipe, evaluation: dict[str, float]) -> list[str]:
    """How to read the metrics."""
    notes = []
    if recipe.objective.requires("values"):
        low, high = recipe.signal.output_type.value_range
        notes.append(
            "psnr is that of the mean error, psnr_mean the mean of the signals' own, both over values from "
            f"{low:g} to {high:g}; snr is the power of all signals over all error."
        )
    if recipe.signal.conditioning_channels:
        notes.append(
            "gonkit: predicted from the source alone, with the latent at the origin. informed: from the source and the "
            "signal's own latent."
        )
    if "unrefined_psnr" in evaluation:
        notes.append(f"gonkit: latents refined by {recipe.latent.refine} steps. unrefined: by the inner step alone.")
    if "nearest_mean" in evaluation:
        notes.append(
            "nearest: similarity of a sample to the training signal most similar to it, as the correlation of their "
            "values about the training mean; 1 would be a copy. test_nearest is the same for reconstructions of test "
            "signals."
        )
    return notes


def _log_embedding(model: Model, test: SignalDataset, test_latent: Tensor, folder: Path) -> None:
    """Writes latents of test signals to TensorBoard's projector."""
    signal, info = model.task.output_type, test.info
    index = evenly_spaced(MAX_EMBEDDED if signal.display.preview_is_complete else MAX_EMBEDDED // 4, len(test))
    latent = test_latent[index]
    objects = reference_objects(model.task, test, index) or decode_objects(model.gon, signal, latent)
    labels = None if info.labels is None else [info.class_name(int(info.labels[i])) for i in index]
    log_embedding(folder, latent, info.names_of(index), labels, [signal.preview(obj) for obj in objects])
