"""`fit`: the one training loop, for every signal type."""

from __future__ import annotations

__all__ = ["CHECKPOINT_FILE", "Diverged", "Stopped", "fit"]

import json
import math
import signal as unix
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import torch
from torch import Tensor

from gonkit.allocation import freed_memory
from gonkit.checkpoint import resume_from, save_checkpoint, write_atomically
from gonkit.choices import settled
from gonkit.draws import Draws
from gonkit.feeding import feed
from gonkit.gon import GON
from gonkit.keeping import Kept
from gonkit.model import build
from gonkit.ranks import Ranks
from gonkit.recipe import Recipe, TrainSettings
from gonkit.signal import Batch, SignalError, SignalSet
from gonkit.step import Step
from gonkit.tracking import Tracker
from gonkit.watching import show_progress, success, validate

CHECKPOINT_FILE = "checkpoint.safetensors"
DEVIATION_OF = 10_000  # training signals that the values' standard deviation is taken over


class Stopped(Exception):
    """Training was asked to stop, and is saved."""


class Diverged(SignalError):
    """The loss is no longer a number."""


def fit(
    recipe: Recipe,
    train: SignalSet,
    val: SignalSet,
    folder: Path,
    *,
    quiet: bool = False,
    watch: Callable[[int, float, GON], None] | None = None,
    ranks: Ranks | None = None,
) -> tuple[GON, float]:
    """Trains a recipe's network, going on from the folder's checkpoint if there is one.

    Args:
        recipe: what to train.
        train: signals to learn from.
        val: held-out signals to watch.
        folder: of the run; gets curves, TensorBoard events and the checkpoint.
        quiet: no progress bar.
        watch: called with step, seconds of training so far and network before the first step and every `log_every`;
            the seconds hold neither compiling nor what `watch` itself takes.
        ranks: this process among others that train the same network; None for alone. The first one writes.

    Returns:
        The network that `train.keep` asks for, and the seconds of training it took.

    Raises:
        Stopped: Ctrl-C or SIGTERM came; the checkpoint holds everything.
        Diverged: a loss or gradient was not finite; `failure.json` says what was seen.
        Lost: another process is gone; the last checkpoint is intact.
    """
    ranks = ranks or Ranks()
    device = pick_device(recipe.train.device)
    recipe, _ = settled(recipe, *train.pair(torch.arange(1)), device)
    settings = recipe.train
    ranks.check(settings.batch, recipe.objective())

    # The network, and the optimizer
    torch.manual_seed(settings.seed)
    given, wanted = train.pair(train.spread(DEVIATION_OF))
    gon = build(recipe, _deviation(wanted), _deviation(given), len(train.classes)).to(device)
    weights = list(gon.parameters())
    optimizer = torch.optim.Adam(weights, lr=settings.learning_rate, fused=True)
    done, seconds = 0, 0.0
    if (folder / CHECKPOINT_FILE).exists():
        done, seconds = resume_from(folder / CHECKPOINT_FILE, gon, optimizer)
    draws = Draws(settings.seed, len(train), settings.batch)
    this = Step(gon, recipe, draws, ranks)
    source = feed(train, draws, ranks, done + 1, settings.steps, settings.workers)
    watched = val.spread(settings.validate_signals)
    kept = Kept(folder, settings.keep)
    tracker = Tracker(folder, recipe.signal, done, settings.steps, quiet) if ranks.first else None

    memory = freed_memory("returned" if settings.rows else "kept")
    with memory, tracker or nullcontext(), _Interruption() as asked:
        unchecked: list[Tensor] = []
        started = time.perf_counter() - seconds
        if watch is not None and not done:
            watch(0, 0.0, gon)
        for step, (given, wanted) in source:
            # Draw points and chance
            drawn = this.draw(step, given.to(device), wanted.to(device))
            if step == done + 1 and settings.compile:
                compiling = time.perf_counter()
                said = this.compile(step, drawn)
                started += time.perf_counter() - compiling
                if tracker is not None:
                    tracker.say(said)

            # Encode by the origin's gradient, decode, compare
            prediction, loss, terms = this.loss(step, drawn)

            # Update
            optimizer.zero_grad()
            loss.backward()
            shared = [loss.detach(), *(term.detach() for term in terms.values())]
            ranks.average([*(w.grad for w in weights if w.grad is not None), *shared])
            norm = torch.nn.utils.clip_grad_norm_(weights, settings.clip or math.inf)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings, step)
            optimizer.step()

            # Look at it now and then: every look waits for the device
            unchecked.append(torch.stack([loss.detach(), norm.detach()]))
            milestone = step % settings.validate_every == 0 or step == settings.steps
            due, stopping = milestone or step % settings.log_every == 0, ranks.any(asked.to_stop)
            if due or stopping:
                _check_finite(folder, step, unchecked, train, draws, ranks)
                unchecked.clear()
            if tracker is not None:
                tracker.bar.update()
                if due:
                    figures = {"train/loss": loss.item(), "train/gradient_norm": norm.item()}
                    figures |= {f"train/{name}": value.item() for name, value in terms.items() if len(terms) > 1}
                    seen = success(gon, recipe, prediction, drawn.target)
                    figures |= {f"train/{name}": value for name, value in seen.items()}
                    figures["train/learning_rate"] = learning_rate(settings, step)
                    tracker.figures(step, figures)
                    tracker.show("train", figures)
                if due and watch is not None:
                    watching = time.perf_counter()
                    watch(step, watching - started, gon)
                    started += time.perf_counter() - watching
                if milestone:
                    held_out = validate(gon, recipe, *(part.to(device) for part in val.pair(watched)))
                    tracker.figures(step, held_out)
                    tracker.show("validation", held_out)
                    show_progress(gon, recipe, train, val, watched, step, tracker)
                    kept.offer(step, gon, held_out)
                if milestone or stopping:
                    elapsed = time.perf_counter() - started
                    save_checkpoint(folder / CHECKPOINT_FILE, step, gon, optimizer, elapsed)
            if stopping and step < settings.steps:
                raise Stopped(f"stopped after step {step} of {settings.steps}")
        total = time.perf_counter() - started if done < settings.steps else seconds
    if ranks.first:
        kept.restore(gon)
    return gon.eval(), total


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Of a step, from 1: a linear rise, then half a cosine down to `floor`."""
    rise = min(1.0, step / max(settings.warmup, 1))
    fall = 0.5 * (1 + math.cos(math.pi * (step - 1) / settings.steps))
    return settings.learning_rate * rise * (settings.floor + (1 - settings.floor) * fall)


def pick_device(name: str) -> torch.device:
    """The device that a recipe names; "auto" takes a GPU where there is one.

    Raises:
        SignalError: no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SignalError(f"train.device: {name!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return device


class _Interruption:
    """Turns Ctrl-C and SIGTERM into a wish, granted after the current step; a second Ctrl-C is at once."""

    def __init__(self) -> None:
        self.to_stop = False

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():  # where handlers cannot be set
            self.former = {}
            return self
        self.former = {number: unix.signal(number, self._ask) for number in (unix.SIGINT, unix.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.former.items():
            unix.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.to_stop and number == unix.SIGINT:
            raise KeyboardInterrupt
        self.to_stop = True


def _deviation(batch: Batch) -> float:
    """Standard deviation of the values, 1 where they do not vary."""
    values = batch.values if batch.mask is None else batch.values[batch.mask]
    deviation = values.double().std().item()
    return deviation if deviation > 1e-12 else 1.0


def _check_finite(
    folder: Path, step: int, unchecked: list[Tensor], train: SignalSet, draws: Draws, ranks: Ranks
) -> None:
    seen = torch.stack(unchecked).cpu()  # (steps, 2): loss, gradient norm
    bad = ~seen.isfinite().all(1)
    if not bad.any():
        return
    first = step - len(seen) + 1 + int(bad.nonzero()[0, 0])
    record = {
        "step": first,
        "loss": [repr(value) for value in seen[:, 0].tolist()],
        "gradient_norm": [repr(value) for value in seen[:, 1].tolist()],
        "signals": train.names(draws.signals(first)),
    }
    if ranks.first:
        write_atomically(folder / "failure.json", json.dumps(record, indent=2).encode())
    raise Diverged(
        f"the loss or its gradient was not finite at step {first}; {folder / 'failure.json'} lists the steps before "
        "and the signals of that batch, and the last checkpoint is intact. Try a smaller train.learning_rate or "
        "latent.step, train.clip = 1.0, precision fp32, and look at the signals listed"
    )
