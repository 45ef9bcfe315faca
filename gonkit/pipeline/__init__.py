"""From a recipe to a run folder with everything in it."""

from __future__ import annotations

from gonkit.pipeline.artifacts import DatasetSplits, write_artifacts
from gonkit.pipeline.dry_run import describe_datasets, describe_run
from gonkit.pipeline.folder import RunFolder
from gonkit.pipeline.own_data import OwnData
from gonkit.pipeline.report import Section, write_report
from gonkit.pipeline.resuming import CHANGEABLE_KEYS, read_stored_recipe
from gonkit.pipeline.run import RunResult, TrainedRun, run_recipe, train
from gonkit.pipeline.trial import Trial, describe_values, try_task

__all__ = [
    "CHANGEABLE_KEYS",
    "DatasetSplits",
    "OwnData",
    "RunFolder",
    "RunResult",
    "Section",
    "TrainedRun",
    "Trial",
    "describe_datasets",
    "describe_run",
    "describe_values",
    "read_stored_recipe",
    "run_recipe",
    "train",
    "try_task",
    "write_artifacts",
    "write_report",
]
