"""A whole run: data, training, evaluation and files, the same for every command and for `gonkit.train`."""

from __future__ import annotations

__all__ = ["RunResult", "TrainedRun", "next_run_folder", "read_stored_recipe", "run_recipe", "train"]

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy
import torch

from gonkit._version import __version__
from gonkit.data import DATA_FILE, DataRecord, SignalDataset, Split, SubsetDataset, split_indices
from gonkit.devices import select_device
from gonkit.errors import GonkitError
from gonkit.evaluation import validate_labels
from gonkit.files import write_bytes, write_json
from gonkit.inference import Model
from gonkit.losses import Objective
from gonkit.pipeline.artifacts import DatasetSplits, write_artifacts
from gonkit.recipe import Recipe, read_recipe, recipe_from_dict
from gonkit.training import ProcessGroup, TrainCallback, fit, resolve_auto_settings

RECIPE_FILE = "recipe.toml"
VERSIONS_FILE = "versions.json"


class RunResult(NamedTuple):
    """What a run gives in the main process: the model, and the content of evaluation.json."""

    model: Model
    evaluation: dict[str, float]


class TrainedRun(NamedTuple):
    """A trained model and the folder of its run."""

    model: Model
    folder: Path


def train(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    dataset: SignalDataset | Mapping[Split, SignalDataset] | None = None,
    out: str | Path | None = None,
    callbacks: Sequence[TrainCallback] = (),
    resume: bool = False,
    accept_changed_data: bool = False,
    quiet: bool = False,
) -> TrainedRun:
    """Trains a recipe, exactly as `python -m gonkit.run` does.

    Args:
        recipe: a recipe, a dictionary with the keys of a recipe file (whose `signal` may be a `Signal` itself), or the
            path of a recipe file.
        dataset: the signals, instead of those that the recipe's signal type reads: a data set for each of "train",
            "val" and "test", or one that is split at random, 8:1:1.
        out: the run folder, new or empty; None for runs/NAME/0001, with the next free number.
        callbacks: each is given a `gonkit.training.TrainProgress` before the first step and every `train.log_every`
            steps; one that returns True ends training, and the run is finished with what was learned so far.
        resume: resume the run in the folder `out`, by the recipe in it, with the same `dataset`.
        accept_changed_data: resume it with other data than it began with.
        quiet: no progress bar.

    Returns:
        The trained model and its run folder, which can be unpacked.

    Raises:
        GonkitError: a mistake in the recipe or the data, or training that diverges.
        gonkit.errors.TrainingInterrupted: Ctrl-C; the run can be resumed.

    Example:
        model, folder = gonkit.train({"signal": {"type": "signals.image:Image"}, "train": {"steps": 200}})
    """
    if isinstance(recipe, Mapping):
        recipe = recipe_from_dict(recipe)
    elif not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    if resume:
        if out is None:
            raise GonkitError("resume=True: name the run folder with out=")
        folder = Path(out)
        recipe = read_stored_recipe(folder, own_data=dataset is not None)
    else:
        folder = next_run_folder(recipe.name, None if out is None else Path(out))
    datasets = None if dataset is None else _split_dataset(dataset)
    result = run_recipe(
        recipe,
        folder,
        datasets=datasets,
        callbacks=callbacks,
        quiet=quiet,
        accept_changed_data=accept_changed_data,
        echo=lambda text: None,
    )
    assert result is not None  # there is one process
    return TrainedRun(result.model, folder)


def run_recipe(
    recipe: Recipe,
    folder: Path,
    *,
    datasets: DatasetSplits | None = None,
    callbacks: Sequence[TrainCallback] = (),
    quiet: bool = False,
    group: ProcessGroup | None = None,
    stop_after: int | None = None,
    accept_changed_data: bool = False,
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
        echo: prints a line of information.

    Returns:
        The result in the main process, None in the others.
    """
    group = group or ProcessGroup()
    objective, own_data = recipe.objective, datasets is not None
    _check_shardable(objective, group)
    datasets = datasets or _read_datasets(recipe, group)
    record = group.broadcast_from_main(lambda: _record_data(datasets, folder, accept_changed_data))
    if objective.requires("label"):
        validate_labels({"training": datasets.train, "validation": datasets.val, "test": datasets.test})
    device = select_device(recipe.train.device)
    inputs, target = datasets.train.pair(torch.arange(1))
    recipe, reasons = group.broadcast_from_main(lambda: resolve_auto_settings(recipe, inputs, target, device))
    notes = datasets.notes() if group.is_main else []
    if group.is_main:
        for note in notes:
            echo(f"note: {note}")
        write_run_metadata(recipe, folder, reasons, group.world_size, own_data)
        record.write(folder / DATA_FILE)
        echo(f"run folder: {folder}")
        for key, reason in reasons.items():
            echo(f"{key}: {reason}")
    trained = fit(
        recipe,
        datasets.train,
        datasets.val,
        folder,
        quiet=quiet,
        callbacks=callbacks,
        group=group,
        stop_after=stop_after,
    )
    result = None
    if group.is_main:
        result = RunResult(*write_artifacts(recipe, trained, datasets, folder, own_data=own_data, notes=notes))
        echo("\n".join(f"{key:>17}  {value:.5g}" for key, value in result.evaluation.items()))
        echo(f"report: {folder / 'report.html'}")
    group.barrier()  # all leave together
    return result


def next_run_folder(name: str, out: Path | None, restarted: bool = False) -> Path:
    """The folder of a new run; after a restart by torchrun, the one in which it began.

    Args:
        name: of the recipe.
        out: the folder that a user names; None for runs/NAME/0001, with the next free number.
        restarted: by torchrun.

    Raises:
        GonkitError: `out` exists and is not empty.
    """
    if out is not None:
        if restarted and (out / RECIPE_FILE).is_file():
            return out
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise GonkitError(f"{out}: exists and is not empty; resume it with --resume {out}, or name another folder")
        return out
    runs = Path("runs", name)
    numbers = [int(p.name) for p in runs.glob("[0-9]*") if p.name.isdigit()]
    return runs / f"{max(numbers, default=0) + (0 if restarted and numbers else 1):04d}"


def read_stored_recipe(folder: Path, *, own_data: bool = False) -> Recipe:
    """The recipe of the run in a folder, to resume it.

    Args:
        folder: of the run.
        own_data: whether data sets are passed to `gonkit.train`.

    Raises:
        GonkitError: no run in the folder, or one whose data sets were passed to `gonkit.train` and now are not.
    """
    if not (folder / RECIPE_FILE).is_file():
        raise GonkitError(f"{folder}: no run to resume: there is no {RECIPE_FILE} in it")
    versions = folder / VERSIONS_FILE
    if not own_data and versions.is_file() and json.loads(versions.read_text()).get("own_data"):
        raise GonkitError(
            f"{folder}: this run's data sets were passed to gonkit.train; resume it with gonkit.train(..., "
            "dataset=..., out=..., resume=True)"
        )
    return read_recipe(folder / RECIPE_FILE)


def write_run_metadata(
    recipe: Recipe, folder: Path, reasons: Mapping[str, str], processes: int, own_data: bool = False
) -> None:
    """Writes the resolved recipe, and the versions and the machine it runs with."""
    write_bytes(folder / RECIPE_FILE, recipe.toml().encode())
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
    write_json(folder / VERSIONS_FILE, versions)


def _read_datasets(recipe: Recipe, group: ProcessGroup) -> DatasetSplits:
    """The main process prepares what is cached on disk, and the others find it there."""
    read: list[DatasetSplits] = []
    group.broadcast_from_main(lambda: read.append(DatasetSplits.read(recipe.signal)))
    return read[0] if read else DatasetSplits.read(recipe.signal)


def _record_data(datasets: DatasetSplits, folder: Path, accept_changes: bool) -> DataRecord:
    """What the data are now.

    Raises:
        GonkitError: others than those with which the run in the folder began, unless changes are accepted.
    """
    before = DataRecord.read(folder / DATA_FILE)
    if before is None or accept_changes:
        return DataRecord.of(datasets.by_name(), before)
    return before.verify(datasets.by_name(), str(folder))


def _check_shardable(objective: Objective, group: ProcessGroup) -> None:
    coupled = [name for name, (_, loss) in objective.outer.items() if loss.couples_batch]
    if group.world_size > 1 and coupled:
        raise GonkitError(
            f"loss.outer.{coupled[0]}: a loss of the batch as a whole cannot be shared out to {group.world_size} "
            "processes; train in one, or leave it out"
        )


def _split_dataset(dataset: SignalDataset | Mapping[Split, SignalDataset]) -> DatasetSplits:
    if isinstance(dataset, SignalDataset):
        return DatasetSplits(*(SubsetDataset(dataset, split_indices(len(dataset), split)) for split in get_args(Split)))
    if missing := set(get_args(Split)) - set(dataset):
        raise GonkitError(f"dataset: {', '.join(sorted(missing))} missing; give one data set each for train, val, test")
    return DatasetSplits(dataset["train"], dataset["val"], dataset["test"])
