"""`fit`: the one training loop, for every task."""

from __future__ import annotations

__all__ = ["FitResult", "fit"]

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import SignalDataset, evenly_spaced
from gonkit.devices import select_device
from gonkit.errors import DivergedError, TrainingInterrupted
from gonkit.files import write_json
from gonkit.inference import ValueStatistics, build_gon, start_series
from gonkit.nn import GON
from gonkit.recipe import Recipe
from gonkit.training.allocator import allocator_policy
from gonkit.training.callbacks import TrainCallback, TrainProgress
from gonkit.training.checkpoint import CHECKPOINT_FILE, PREVIOUS_FILE, find_checkpoint, load_checkpoint, save_checkpoint
from gonkit.training.distributed import ProcessGroup
from gonkit.training.initialization import start_from_model
from gonkit.training.interruption import InterruptHandler
from gonkit.training.logger import RunLogger
from gonkit.training.selection import ModelSelection
from gonkit.training.step import StepInputs
from gonkit.training.trainer import StepResult, Trainer
from gonkit.training.validation import batch_metrics, log_previews, validate

MAX_STATISTICS_SIGNALS = 10_000  # over which mean and deviation of the training values are taken
MAX_CALIBRATION_SIGNALS = 2048  # whose latents calibrate refinement


class FitResult(NamedTuple):
    """A trained network.

    Attributes:
        gon: with the weights that `train.keep` selects, in evaluation mode.
        steps: updates made; fewer than `train.steps` if a callback ended training.
        seconds: of training.
    """

    gon: GON
    steps: int
    seconds: float


def fit(
    recipe: Recipe,
    train: SignalDataset,
    val: SignalDataset,
    folder: Path,
    *,
    quiet: bool = False,
    callbacks: Sequence[TrainCallback] = (),
    group: ProcessGroup | None = None,
    stop_after: int | None = None,
    train_on: bool = True,
) -> FitResult:
    """Trains a recipe's network, from the folder's checkpoint if there is one.

    Args:
        recipe: what to train, with "auto" resolved.
        train: signals to learn from.
        val: held-out signals.
        folder: of the run; gets curves, TensorBoard events and the checkpoint.
        quiet: no progress bar.
        callbacks: see `TrainCallback`; called in the main process only.
        group: of the processes that train the network together; None for one. The main one writes.
        train_on: whether to take steps; otherwise the network is that of the checkpoint.
        stop_after: interrupt the run after so many steps, counted from its beginning, as Ctrl-C would.

    Raises:
        TrainingInterrupted: by Ctrl-C, SIGTERM or `stop_after`; the checkpoint holds everything.
        DivergedError: a loss or gradient was not finite; `failure.json` has the details.
        ProcessLostError: another process is gone; the last checkpoint is intact.
    """
    run = _Run(recipe, train, val, folder, callbacks, group or ProcessGroup(), quiet)
    settings, trainer, done = recipe.train, run.trainer, run.step
    policy = allocator_policy("return" if settings.max_points else "keep")
    with policy, run.logger or nullcontext(), InterruptHandler() as interrupt:
        finished = not train_on or (not done and run.notify({}, {}))
        for step, pair in () if finished else trainer.batches(done + 1):
            inputs = trainer.prepare(step, pair)
            if step == done + 1 and settings.compile is True:
                run.compile(step, inputs)
            if run.begins_to_polish(step):
                run.calibrate()  # so that few points are not overfitted
            result = run.update(step, inputs)

            # Look at the run now and then: every look waits for the device
            validating = step % settings.validate_every == 0 or step == settings.steps
            stopping = run.group.any_rank(interrupt.requested or step == stop_after)
            if validating or stopping or step % settings.log_every == 0:
                run.check_finite()
            if validating or step % settings.log_every == 0:
                metrics = run.log(result, inputs.target)
                if validating:
                    metrics |= run.validate()
                finished = run.notify(result.losses, metrics)
            if validating or stopping or finished:
                run.save()
            if finished:
                break
            if stopping and step < settings.steps:
                raise TrainingInterrupted(f"stopped after step {step} of {settings.steps}")
    return run.result()


class _Run:
    """Network, optimizer and log of a run, and what happens to them in a step."""

    def __init__(
        self,
        recipe: Recipe,
        train: SignalDataset,
        val: SignalDataset,
        folder: Path,
        callbacks: Sequence[TrainCallback],
        group: ProcessGroup,
        quiet: bool,
    ) -> None:
        settings = recipe.train
        self.device = select_device(settings.device)
        self.recipe, self.train, self.val, self.folder = recipe, train.to(self.device), val, folder
        self.callbacks, self.group = callbacks, group
        group.validate_divisible(settings.batch)
        torch.manual_seed(settings.seed)
        inputs, target = train.pair(evenly_spaced(MAX_STATISTICS_SIGNALS, len(train)))
        gon = build_gon(recipe, _value_statistics(target), _value_statistics(inputs), len(train.info.class_names))
        self.gon = gon.to(self.device)
        self.gon.refine = 0  # validations use the inner steps alone
        self.trainer = Trainer(self.gon, recipe, self.train, group)
        self.step, self.seconds = 0, 0.0
        self.found = find_checkpoint(folder)
        if self.found is not None:
            self.step, self.seconds = load_checkpoint(self.found.path, self.gon, self.trainer.optimizer.parts)
            self.trainer.optimizer.start(self.step)
        elif settings.init_from is not None:
            start_from_model(self.gon, recipe, Path(settings.init_from))
        else:
            start_series(self.gon, inputs, target)
        self.calibrated = bool(self.gon.latent_precision.any())
        self.watched = evenly_spaced(settings.validate_signals, len(val))
        self.selection = ModelSelection(folder, settings.keep)
        signal, steps = recipe.signal.output_type, settings.steps
        self.logger = RunLogger(folder, signal, self.step, steps, quiet) if group.is_main else None
        if self.logger is not None and self.found is not None and self.found.damaged:
            self.logger.write_line(f"{self.found.damaged[0]}; going on from the one before it, of step {self.step}")
        self.unchecked: list[Tensor] = []  # loss and gradient norm of the steps since the last look
        self.started = time.perf_counter() - self.seconds
        self.first_step = self.step

    def compile(self, step: int, inputs: StepInputs) -> None:
        with self._clock_stopped():
            if self.logger is not None:
                self.logger.bar.set_postfix_str("compiling", refresh=True)
            message = self.trainer.train_step.compile(step, inputs)
        if self.logger is not None:
            self.logger.bar.set_postfix_str("", refresh=False)
            self.logger.write_line(message)

    def begins_to_polish(self, step: int) -> bool:
        """Whether a step polishes and none did before; `train.steps` may have changed since the last one."""
        polishes = self.trainer.train_step.polishes
        return polishes(step) and not (polishes(step - 1) and self.calibrated)

    def calibrate(self) -> None:
        """Measures how latents are distributed, for their refinement; the same in every process."""
        index = evenly_spaced(MAX_CALIBRATION_SIGNALS, len(self.train))
        self.gon.calibrate(self.train.evaluation_input(index).to(self.device))
        self.calibrated = True

    def update(self, step: int, inputs: StepInputs) -> StepResult:
        """One step of the optimizer."""
        result = self.trainer.update(step, inputs)
        self.step = step
        self.unchecked.append(torch.stack([result.losses["loss"], result.gradient_norm]))
        if self.logger is not None:
            self.logger.bar.update()
        return result

    def check_finite(self) -> None:
        """Raises `DivergedError` if a loss or gradient since the last check was not finite."""
        recent = torch.stack(self.unchecked).cpu()  # (steps, 2)
        self.last_norm = recent[-1, 1].item()
        self.unchecked.clear()
        bad = ~recent.isfinite().all(1)
        if not bad.any():
            return
        first = self.step - len(recent) + 1 + int(bad.nonzero()[0, 0])
        record = {
            "step": first,
            "loss": [repr(value) for value in recent[:, 0].tolist()],
            "gradient_norm": [repr(value) for value in recent[:, 1].tolist()],
            "signals": self.train.info.names_of(self.trainer.sampler.batch_indices(first)),
        }
        if self.group.is_main:
            write_json(self.folder / "failure.json", record)
        raise DivergedError(
            f"the loss or its gradient was not finite at step {first}; {self.folder / 'failure.json'} lists the steps "
            "before and the signals of that batch, and the last checkpoint is intact. Try a smaller "
            "train.learning_rate or latent.step, train.grad_clip = 1.0, precision fp32, and look at the signals listed"
        )

    def log(self, result: StepResult, target: Batch) -> dict[str, float]:
        """Logs and returns the metrics of a step's batch."""
        if self.logger is None:
            return {}
        losses = result.losses
        terms = {name: value.item() for name, value in losses.items() if name == "loss" or len(losses) > 2}
        metrics = {f"train/{name}": value for name, value in terms.items()}
        metrics["train/gradient_norm"] = self.last_norm
        batch = batch_metrics(self.gon, self.recipe, result.prediction, target)
        metrics |= {f"train/{name}": value for name, value in batch.items()}
        metrics["train/learning_rate"] = result.learning_rate
        self.logger.log_scalars(self.step, metrics)
        self.logger.update_progress("train", metrics)
        return metrics

    def validate(self) -> dict[str, float]:
        """Logs and returns held-out metrics, logs previews, and offers the weights for selection."""
        if self.logger is None:
            return {}
        inputs, target = (part.to(self.device) for part in self.val.pair(self.watched, evaluate=True))
        refine = self.recipe.latent.refine if self.trainer.train_step.polishes(self.step) else 0
        metrics = validate(self.gon, self.recipe, inputs, target, refine=refine)
        self.logger.log_scalars(self.step, metrics)
        self.logger.update_progress("validation", metrics)
        log_previews(self.gon, self.recipe, self.train, self.val, self.watched, self.step, self.logger)
        self.selection.update(self.step, self.gon, metrics)
        return metrics

    def notify(self, losses: dict[str, Tensor], metrics: dict[str, float]) -> bool:
        """Calls the callbacks; whether one of them ends training."""
        finished = False
        if self.group.is_main and self.callbacks:
            seconds = time.perf_counter() - self.started
            values = {name: value.item() for name, value in losses.items()}
            with self._clock_stopped():
                progress = TrainProgress(self.step, seconds, values, metrics, self.gon)
                finished = True in [callback(progress) for callback in self.callbacks]
        return self.group.any_rank(finished)

    def save(self) -> None:
        if self.group.is_main:
            seconds, parts = time.perf_counter() - self.started, self.trainer.optimizer.parts
            keep = None if self.found is not None and self.found.damaged else self.folder / PREVIOUS_FILE
            save_checkpoint(self.folder / CHECKPOINT_FILE, self.step, self.gon, parts, seconds, keep)
            self.found = None  # the newest is good now

    def result(self) -> FitResult:
        seconds = time.perf_counter() - self.started if self.step > self.first_step else self.seconds
        if self.group.is_main:
            self.selection.restore(self.gon)
            self.calibrate()
        self.gon.refine = self.recipe.latent.refine
        return FitResult(self.gon.eval(), self.step, seconds)

    @contextmanager
    def _clock_stopped(self) -> Iterator[None]:
        stopped = time.perf_counter()
        yield
        self.started += time.perf_counter() - stopped


def _value_statistics(batch: Batch) -> ValueStatistics:
    """Mean and standard deviation of each channel's observed values; 1 for a deviation where they do not vary."""
    channels = zip(batch.values.unbind(2), batch.is_observed.unbind(2), strict=True)
    statistics = [torch.std_mean(values[chosen].double()) for values, chosen in channels]
    std, mean = (torch.stack(part).nan_to_num() for part in zip(*statistics, strict=True))  # 0 where too few values
    varies = std > 1e-12 + 1e-7 * mean.abs()  # more than rounding
    return ValueStatistics(mean.float(), std.where(varies, 1.0).float())
