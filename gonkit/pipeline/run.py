"""A whole run: data, training, evaluation and files, the same for every command and for `gonkit.train`."""

from __future__ import annotations

__all__ = ["RunResult", "TrainedRun", "run_recipe", "train"]

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import torch

from gonkit._version import __version__
from gonkit.data import DATA_FILE, DataRecord, check_contract
from gonkit.devices import select_device
from gonkit.errors import GonkitError
from gonkit.evaluation import validate_labels
from gonkit.inference import RECIPE_FILE, Model, build_gon
from gonkit.losses import Objective
from gonkit.pipeline.artifacts import DatasetSplits, write_artifacts
from gonkit.pipeline.folder import RunFolder
from gonkit.pipeline.own_data import OwnData, split_own_data
from gonkit.pipeline.resuming import VERSIONS_FILE, read_stored_recipe
from gonkit.recipe import Recipe, read_recipe, recipe_from_dict, remember_recipe
from gonkit.training import ProcessGroup, TrainCallback, find_checkpoint, fit, resolve_auto_settings, start_from_model


class RunResult(NamedTuple):
    """What a run gives in the main process: the model, the content of evaluation.json, and its folder."""

    model: Model
    evaluation: dict[str, float]
    folder: Path


class TrainedRun(NamedTuple):
    """A trained model and the folder of its run."""

    model: Model
    folder: Path


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    dataset: OwnData | None = None,
    out: str | Path | None = None,
    callbacks: Sequence[TrainCallback] = (),
    resume: bool = False,
    overrides: Sequence[str] = (),
    accept_changed_data: bool = False,
    finish: bool = False,
    quiet: bool = False,
) -> TrainedRun:
    """Trains a recipe, exactly as `python -m gonkit.run` does.

    Args:
        recipe: a recipe, a dictionary with the keys of a recipe file (whose `signal` may be a `Signal` itself), or the
            path of a recipe file.
        dataset: the signals, instead of those that the recipe's signal type reads: a tensor, a dictionary, a data set;
            split at random, 8:1:1, unless there is one for each of "train", "val" and "test". See `OwnData`.
        out: the run folder, new or empty; None for runs/NAME/0001, with the next free number.
        callbacks: each is given a `gonkit.training.TrainProgress` before the first step and every `train.log_every`
            steps; one that returns True ends training, and the run is finished with what was learned so far.
        resume: resume the run in the folder `out`, by the recipe in it, with the same `dataset`.
        overrides: keys of that recipe that change, as in "train.steps=5000"; see `CHANGEABLE_KEYS`.
        accept_changed_data: resume it with other data than it began with.
        finish: make a model of its newest checkpoint, without training on.
        quiet: no progress bar.

    Returns:
        The trained model and its run folder, which can be unpacked.

    Raises:
        GonkitError: a mistake in the recipe or the data, or training that diverges.
        gonkit.errors.TrainingInterrupted: Ctrl-C; the run can be resumed.

    Example:
        model, folder = gonkit.train({"signal": {"type": "signals.image:Image"}, "train": {"steps": 200}})
    """
    recipe = _as_recipe(recipe)
    if (overrides or finish or accept_changed_data) and not resume:
        raise GonkitError("overrides, finish, accept_changed_data: belong to resume=True")
    if resume:
        if out is None:
            raise GonkitError("resume=True: name the run folder with out=")
        recipe, folder = read_stored_recipe(Path(out), overrides, own_data=dataset is not None), RunFolder(Path(out))
    else:
        folder = RunFolder.new(recipe.name, None if out is None else Path(out))
    datasets = None if dataset is None else split_own_data(recipe.signal.output_type, dataset)
    result = run_recipe(
        recipe,
        folder,
        datasets=datasets,
        callbacks=callbacks,
        quiet=quiet,
        accept_changed_data=accept_changed_data,
        finish=finish,
        echo=lambda text: None,
    )
    assert result is not None  # there is one process
    return TrainedRun(result.model, result.folder)


def _as_recipe(recipe: Recipe | Mapping[str, Any] | str | Path) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    return recipe_from_dict(recipe) if isinstance(recipe, Mapping) else read_recipe(recipe)


def run_recipe(
    recipe: Recipe,
    folder: RunFolder | Path,
    *,
    datasets: DatasetSplits | None = None,
    callbacks: Sequence[TrainCallback] = (),
    quiet: bool = False,
    group: ProcessGroup | None = None,
    stop_after: int | None = None,
    accept_changed_data: bool = False,
    finish: bool = False,
    echo: Callable[[str], None] = print,
) -> RunResult | None:
    """Trains a recipe in a folder, or resumes the run in it, and writes everything that a run leaves behind.

    Args:
        recipe: what to train.
        folder: of the run.
        datasets: None for the signals that the recipe's signal type reads.
        callbacks: see `gonkit.training.TrainCallback`.
        quiet: no progress bar.
        group: of the processes that train together; None for one.
        stop_after: see `gonkit.training.fit`.
        accept_changed_data: resume a run with other data than it began with.
        finish: make a model of the run's newest checkpoint, without training on.
        echo: prints a line of information.

    Returns:
        The result in the main process, None in the others.

    Raises:
        GonkitError: a mistake in the recipe or the data, or a folder that another process is writing to.
    """
    group = group or ProcessGroup()
    folder = folder if isinstance(folder, RunFolder) else RunFolder(folder)
    own_data = datasets is not None
    _check_shardable(recipe.objective, group)
    group.broadcast_from_main(folder.lock)
    try:
        datasets = datasets or _read_datasets(recipe, group)
        check_contract(recipe.signal, datasets.by_name())
        if recipe.objective.requires("label"):
            validate_labels({"training": datasets.train, "validation": datasets.val, "test": datasets.test})
        start = _Start(recipe, folder, datasets, group.world_size, own_data, accept_changed_data, finish)
        recipe, path, notes = group.broadcast_from_main(lambda: start.begin(echo))
        folder.path = path
        options: dict[str, Any] = {"quiet": quiet, "callbacks": callbacks, "group": group, "stop_after": stop_after}
        trained = fit(recipe, datasets.train, datasets.val, path, train_on=not finish, **options)
        result = None
        if group.is_main:
            result = RunResult(*write_artifacts(recipe, trained, datasets, path, own_data=own_data, notes=notes), path)
            echo("\n".join(f"{key:>17}  {value:.5g}" for key, value in result.evaluation.items()))
            echo(f"report: {path / 'report.html'}")
        group.barrier()  # all leave together
    finally:
        if group.is_main:
            folder.release()
    return result


class _Start(NamedTuple):
    """What the main process looks at and writes before the first step."""

    recipe: Recipe
    folder: RunFolder
    datasets: DatasetSplits
    processes: int
    own_data: bool
    accept_changed_data: bool
    finish: bool

    def begin(self, echo: Callable[[str], None]) -> tuple[Recipe, Path, list[str]]:
        """The recipe with "auto" resolved, the folder, and notes about the data.

        Raises:
            GonkitError: data or a checkpoint with which the run cannot go on; nothing has been written then.
        """
        self._check_weights()
        record = self._record_data()
        inputs, target = self.datasets.train.pair(torch.arange(1))
        recipe, reasons = resolve_auto_settings(self.recipe, inputs, target, select_device(self.recipe.train.device))
        notes = self.datasets.notes(record)
        for note in notes:
            echo(f"note: {note}")
        versions = run_versions(recipe, reasons, self.processes, self.own_data)
        files = {RECIPE_FILE: recipe.toml().encode(), VERSIONS_FILE: versions, DATA_FILE: record.encode()}
        path = self.folder.write(files)
        remember_recipe(recipe.toml())
        echo(f"run folder: {path}")
        for key, reason in reasons.items():
            echo(f"{key}: {reason}")
        return recipe, path, notes

    def _check_weights(self) -> None:
        """Whether the run can begin with the weights that it is to begin with."""
        path = self.folder.path
        found = None if path is None else find_checkpoint(path)
        if found is None and self.finish:
            raise GonkitError(
                f"{path}: no checkpoint yet, of which a model could be made; train on with --resume {path}"
            )
        if found is None and (source := self.recipe.train.init_from) is not None:
            gon = build_gon(self.recipe, classes=len(self.datasets.train.info.class_names))
            start_from_model(gon, self.recipe, Path(source))
        if found is not None and found.step > (steps := self.recipe.train.steps):
            raise GonkitError(
                f"train.steps: {steps}, and this run has done {found.step} steps; set it to more, or make a model of "
                f"the run as it is with gonkit finish {path}"
            )

    def _record_data(self) -> DataRecord:
        datasets, path = self.datasets.by_name(), self.folder.path
        before = None if path is None else DataRecord.read(path / DATA_FILE)
        if before is None or self.accept_changed_data:
            return DataRecord.of(datasets, before)
        return before.verify(datasets, str(path))


def run_versions(recipe: Recipe, reasons: Mapping[str, str], processes: int, own_data: bool = False) -> bytes:
    """The content of versions.json: versions and the machine that a run has, and what "auto" was resolved to."""
    versions = {
        "gonkit": __version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "threads": torch.get_num_threads(),
        "processes": processes,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "seed": recipe.train.seed,
        "own_data": own_data,
        "auto": dict(reasons),
    }
    return json.dumps(versions, indent=2).encode()


def _read_datasets(recipe: Recipe, group: ProcessGroup) -> DatasetSplits:
    """The main process prepares what is cached on disk, and the others find it there."""
    read: list[DatasetSplits] = []
    group.broadcast_from_main(lambda: read.append(DatasetSplits.read(recipe.signal)))
    return read[0] if read else DatasetSplits.read(recipe.signal)


def _check_shardable(objective: Objective, group: ProcessGroup) -> None:
    coupled = [name for name, (_, loss) in objective.outer.items() if loss.couples_batch]
    if group.world_size > 1 and coupled:
        raise GonkitError(
            f"loss.outer.{coupled[0]}: a loss of the batch as a whole cannot be shared out to {group.world_size} "
            "processes; train in one, or leave it out"
        )
