"""Training: the loop, its steps, and what makes it fast, exact and resumable."""

from __future__ import annotations

from gonkit.training.allocator import allocator_policy
from gonkit.training.auto import resolve_auto_settings
from gonkit.training.callbacks import TrainCallback, TrainProgress
from gonkit.training.checkpoint import (
    CHECKPOINT_FILE,
    PREVIOUS_FILE,
    FoundCheckpoint,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from gonkit.training.compilation import prepare_compiler
from gonkit.training.cost import CostCounter, StepCost, estimate_step_cost
from gonkit.training.distributed import ProcessGroup
from gonkit.training.initialization import start_from_model
from gonkit.training.loader import iterate_batches
from gonkit.training.logger import METRICS_FILE, RunLogger, log_embedding, read_metrics
from gonkit.training.loop import FitResult, fit
from gonkit.training.sampler import StepSampler
from gonkit.training.selection import ModelSelection
from gonkit.training.step import StepInputs, TrainStep
from gonkit.training.trainer import StepResult, Trainer
from gonkit.training.validation import batch_metrics, log_previews, validate

__all__ = [
    "CHECKPOINT_FILE",
    "METRICS_FILE",
    "PREVIOUS_FILE",
    "CostCounter",
    "FitResult",
    "FoundCheckpoint",
    "ModelSelection",
    "ProcessGroup",
    "RunLogger",
    "StepCost",
    "StepInputs",
    "StepResult",
    "StepSampler",
    "TrainCallback",
    "TrainProgress",
    "TrainStep",
    "Trainer",
    "allocator_policy",
    "batch_metrics",
    "estimate_step_cost",
    "find_checkpoint",
    "fit",
    "iterate_batches",
    "load_checkpoint",
    "log_embedding",
    "log_previews",
    "prepare_compiler",
    "read_metrics",
    "resolve_auto_settings",
    "save_checkpoint",
    "start_from_model",
    "validate",
]
