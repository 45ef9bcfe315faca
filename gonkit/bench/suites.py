"""gonkit bench: the shared origin next to the literal equation, in one run.

Seconds depend on the machine; ratios of variants that alternate in one process carry over to others.
"""

from __future__ import annotations

__all__ = ["bench_data", "bench_decode", "bench_encode", "bench_objects", "bench_step"]

import statistics
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from gonkit.bench.timing import Run, Timings, isolated_peak_mib, time_interleaved, time_once, warm_up
from gonkit.bench.workloads import BenchConfig, decode_run, literal_latent, step_run, step_variants
from gonkit.evaluation import validate_labels
from gonkit.inference import Model, build_gon
from gonkit.recipe import Recipe
from gonkit.training import (
    CostCounter,
    ProcessGroup,
    StepSampler,
    TrainStep,
    allocator_policy,
    iterate_batches,
)

STEPS_PER_ROUND = 10  # training steps whose signals are fetched, in `bench_data`


def bench_step(config: BenchConfig, rounds: int, device: torch.device) -> Timings:
    """Times a training step without its optimizer.

    Variants: `literal` is Eq. 1 as written, with the C library's default allocator. The others keep freed memory, as
    training does: `kept_literal` is the same equation, `shared` gonkit's step, `compiled` and `compiled_bf16` that step
    compiled, `outer` an outer pass alone, which is the step of an auto-decoder. Where signals have points of their own,
    nothing is shared, and gonkit's step is the literal one without the concatenation.

    Returns:
        Medians (`_s`, None for a variant that cannot run here) and median absolute deviations (`_mad`) in seconds,
        without warm-up and compilation; ratios of medians; `step_gflop`, the work of the shared step in 10⁹ additions
        and multiplications; `_products_gflops`, what matrix products alone reach per second, and `_of_products`, the
        share of that which the compiled step reaches; `_peak_mb`, peak memory in MiB of a process that runs one step
        with the default allocator, above what it held before.
    """
    steps = step_variants(*config.build(device))
    timings = _time_steps(steps, rounds, device)
    for name in ("shared", "compiled", "compiled_bf16"):
        timings[f"literal_over_{name}"] = _ratio(timings["literal_s"], timings[f"{name}_s"])
    with CostCounter() as counter:
        steps["shared"]()
    timings["step_gflop"] = counter.flops / 1e9
    for name, dtype in (("compiled", torch.float32), ("compiled_bf16", torch.bfloat16)):
        rate, seconds = _product_flops_per_second(config, dtype, rounds, device), timings[f"{name}_s"]
        timings[f"{name}_products_gflops"] = rate / 1e9
        timings[f"{name}_of_products"] = counter.flops / seconds / rate if seconds else None
    timings["shared_over_outer"] = _ratio(timings["shared_s"], timings["outer_s"])
    for name in ("literal", "shared", "outer"):
        timings[f"{name}_peak_mb"] = isolated_peak_mib(step_run, config, name, device=device)
    timings["shared_over_literal_peak"] = _ratio(timings["shared_peak_mb"], timings["literal_peak_mb"])
    return timings


def _time_steps(steps: Mapping[str, Run], rounds: int, device: torch.device) -> Timings:
    working = {name: step for name, step in steps.items() if warm_up(step, device)}
    times: dict[str, list[float]] = {name: [] for name in ("literal", "kept_literal", *working)}
    for _ in range(rounds):
        times["literal"].append(time_once(steps["literal"], device))
        with allocator_policy("keep"):
            for name, step in working.items():
                step()  # after it the kept memory is there
                times["kept_literal" if name == "literal" else name].append(time_once(step, device))
    timings: Timings = {}
    for name, seconds in times.items():
        median = statistics.median(seconds)
        timings[f"{name}_s"] = median
        timings[f"{name}_mad"] = statistics.median(abs(one - median) for one in seconds)
    return timings | {f"{name}_s": None for name in steps if name not in working}


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator and denominator else None


def _product_flops_per_second(config: BenchConfig, dtype: torch.dtype, rounds: int, device: torch.device) -> float:
    """Additions and multiplications per second of one layer's product for all rows of a step, into existing memory."""
    rows = torch.rand(config.batch * config.points, config.width, device=device).to(dtype)
    weight, out = torch.rand(config.width, config.width, device=device).to(dtype), torch.empty_like(rows)
    times = time_interleaved({"product": lambda: torch.mm(rows, weight, out=out)}, rounds, device)["product"]
    return 2 * rows.numel() * config.width / statistics.median(times)


def bench_encode(config: BenchConfig, rounds: int, device: torch.device, signals: int) -> Timings:
    """Signals encoded per second: by the literal equation, one batch at a time, and by the linearized field."""
    gon, batch = config.build(device)
    many = batch[torch.arange(signals, device=device) % config.batch]

    def literal() -> Tensor:
        return literal_latent(gon, batch, create_graph=False)[1]  # without the graph that only training needs

    exact = literal()
    difference = (gon.encode(batch) - exact).abs().max() / exact.abs().max()
    times = time_interleaved({"literal": literal, "cached": lambda: gon.encode(many)}, rounds, device)
    literal_rate = config.batch / statistics.median(times["literal"])
    cached_rate = signals / statistics.median(times["cached"])
    return {
        "literal_per_s": literal_rate,
        "cached_per_s": cached_rate,
        "cached_over_literal": cached_rate / literal_rate,
        "largest_relative_difference": difference.item(),
    }


def bench_decode(config: BenchConfig, rounds: int, device: torch.device, chunk: int | None) -> Timings:
    """Points of one signal decoded per second, and the peak memory of that beside its result, in MiB."""
    times = time_interleaved({"decode": decode_run(config, chunk, device)}, rounds, device)["decode"]
    seconds = statistics.median(times)
    result_mib = 4 * config.points * config.channels / 2**20
    peak = isolated_peak_mib(decode_run, config, chunk, device=device) - result_mib
    return {"points_per_s": config.points / seconds, "decode_s": seconds, "peak_mb": peak}


def bench_objects(model: Model, rounds: int, count: int = 4) -> Timings:
    """Seconds per object decoded by the signal type's own method, and per signal decoded on the whole grid.

    Raises:
        GonkitError: a model that samples nothing.
    """
    model.require("sample")
    latent = model.prior.sample(count)
    steps = {"object": lambda: model.decode(latent), "whole_grid": lambda: model.decode_values(latent)}
    times = time_interleaved(steps, rounds, model.device)
    seconds = {name: statistics.median(each) / count for name, each in times.items()}
    return {
        "object_s": seconds["object"],
        "whole_grid_s": seconds["whole_grid"],
        "whole_over_object": seconds["whole_grid"] / seconds["object"],
    }


def bench_data(recipe: Recipe, rounds: int, device: torch.device) -> Timings:
    """Signals fetched per second, and how many a training step of the recipe uses in that time.

    Raises:
        GonkitError: a loss on labels, and signals without them.
    """
    train, settings = recipe.signal.dataset("train"), recipe.train
    if recipe.objective.requires("label"):
        validate_labels({"training": train})
    sampler = StepSampler(settings.seed, len(train), settings.batch, device)
    steps = STEPS_PER_ROUND * rounds
    batches = iterate_batches(train, sampler, ProcessGroup(), 1, steps + 1, settings.workers)
    next(batches)  # starts the workers
    started = time.perf_counter()
    for _ in batches:
        pass
    fetched = steps * settings.batch / (time.perf_counter() - started)

    gon = build_gon(recipe, classes=len(train.info.class_names)).to(device)
    train_step = TrainStep(gon, recipe, sampler)
    inputs, target = (part.to(device) for part in train.pair(torch.arange(settings.batch) % len(train)))

    def step() -> None:
        train_step.loss(1, train_step.prepare(1, inputs, target))[1].backward()

    needed = settings.batch / statistics.median(time_interleaved({"step": step}, rounds, device)["step"])
    return {"fetched_per_s": fetched, "needed_per_s": needed, "fetched_over_needed": fetched / needed}
