"""From a recipe to a run folder with everything in it."""

from __future__ import annotations

from gonkit.pipeline.artifacts import DatasetSplits, write_artifacts
from gonkit.pipeline.dry_run import describe_datasets, describe_run
from gonkit.pipeline.report import Section, write_report
from gonkit.pipeline.run import RunResult, TrainedRun, next_run_folder, read_stored_recipe, run_recipe, train
from gonkit.pipeline.trial import Trial, describe_values, try_task

__all__ = [
    "DatasetSplits",
    "RunResult",
    "Section",
    "TrainedRun",
    "Trial",
    "describe_datasets",
    "describe_run",
    "describe_values",
    "next_run_folder",
    "read_stored_recipe",
    "run_recipe",
    "train",
    "try_task",
    "write_artifacts",
    "write_report",
]
