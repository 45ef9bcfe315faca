"""From a recipe to a run folder with everything in it."""

from __future__ import annotations

from gonkit.pipeline.artifacts import DatasetSplits, write_artifacts
from gonkit.pipeline.dry_run import describe_run
from gonkit.pipeline.folder import RunFolder
from gonkit.pipeline.report import Section, write_report
from gonkit.pipeline.resuming import CHANGEABLE_KEYS, read_stored_recipe
from gonkit.pipeline.run import RunResult, TrainedRun, run_recipe, train

__all__ = [
    "CHANGEABLE_KEYS",
    "DatasetSplits",
    "RunFolder",
    "RunResult",
    "Section",
    "TrainedRun",
    "describe_run",
    "read_stored_recipe",
    "run_recipe",
    "train",
    "write_artifacts",
    "write_report",
]
