"""gonkit bench overhead: the time of a training step in which there is next to nothing to compute."""

from __future__ import annotations

__all__ = ["bench_overhead"]

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gonkit.batch import Batch
from gonkit.bench.timing import Timings, synchronize
from gonkit.data import Grid, InMemoryDataset, Signal, Split
from gonkit.inference import build_gon
from gonkit.recipe import FieldSettings, LatentSettings, Recipe, TrainSettings
from gonkit.training import Trainer, allocator_policy

BATCH_SIZES = (64, 1024, 4096)
WARM_UP, STEPS = 20, 50  # steps before a measurement, and of it


class _Noise(Signal):
    """Random values on a grid of 8×8."""

    @property
    def channels(self) -> int:
        return 1

    def grid(self, resolution: int | None = None) -> Grid:
        return Grid.centers(8, 8)

    def dataset(self, split: Split) -> InMemoryDataset:
        generator = torch.Generator().manual_seed(0)
        return InMemoryDataset(Batch(self.grid().coords, torch.rand(8192, 64, 1, generator=generator)))


def bench_overhead(rounds: int, device: torch.device) -> Timings:
    """Milliseconds of whole training steps of two sine layers of 8 units on 4 points of each signal, one thread.

    Everything that training repeats is in them: drawing signals and points, both passes, clipping, the optimizer and
    its schedule. On a GPU steps are queued without waiting, and the device is waited for once, at the end.

    Returns:
        Medians over rounds of the mean of 50 steps, `eager_64_ms` and the like for each number of signals, and
        `compiled_64_ms`, None where nothing can be compiled.
    """
    timings: Timings = {}
    with _one_thread(), allocator_policy("keep"):
        for size in BATCH_SIZES:
            for name, compiled in (("eager", False), ("compiled", True)):
                seconds = _seconds_per_step(size, compiled, rounds, device)
                timings[f"{name}_{size}_ms"] = None if seconds is None else 1e3 * seconds
    return timings


def _seconds_per_step(size: int, compiled: bool, rounds: int, device: torch.device) -> float | None:
    total = WARM_UP + STEPS * rounds
    recipe = Recipe(
        name="overhead",
        signal=_Noise(),
        field=FieldSettings(width=8, layers=2),
        latent=LatentSettings(dim=16, points=4),
        train=TrainSettings(steps=total, batch=size, points=4, precision="fp32", compile=compiled, max_points=0),
    )
    torch.manual_seed(0)
    trainer = Trainer(build_gon(recipe).to(device), recipe, recipe.signal.dataset("train").to(device))
    if compiled:
        torch.compiler.reset()  # compilations for other sizes count towards a limit
    times, started = [], 0.0
    for step, pair in trainer.batches(1):
        inputs = trainer.prepare(step, pair)
        if compiled and step == 1:
            trainer.train_step.compile(step, inputs)
            if not trainer.train_step.is_compiled:
                return None
        trainer.update(step, inputs)
        if (step - WARM_UP) % STEPS == 0:
            synchronize(device)
            now = time.perf_counter()
            if step > WARM_UP:
                times.append((now - started) / STEPS)
            started = now
    return statistics.median(times)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
