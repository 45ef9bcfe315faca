"""From a recipe to a run folder with everything in it."""

from __future__ import annotations

from gonkit.pipeline.artifacts import DatasetSplits, write_artifacts
from gonkit.pipeline.dry_run import describe_run
from gonkit.pipeline.report import Section, write_report
from gonkit.pipeline.run import RunResult, TrainedRun, next_run_folder, read_stored_recipe, run_recipe, train

__all__ = [
    "DatasetSplits",
    "RunResult",
    "Section",
    "TrainedRun",
    "describe_run",
    "next_run_folder",
    "read_stored_recipe",
    "run_recipe",
    "train",
    "write_artifacts",
    "write_report",
]
