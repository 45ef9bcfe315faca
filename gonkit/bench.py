"""gonkit bench: the shared origin against the literal equation, side by side in one run.

Seconds depend on the machine; ratios of variants that took turns in one process hold elsewhere too.
"""

from __future__ import annotations

__all__ = [
    "WORK",
    "Shapes",
    "bench_data",
    "bench_decode",
    "bench_encode",
    "bench_objects",
    "bench_step",
    "bench_table",
    "literal_latent",
]

import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gonkit.allocation import freed_memory
from gonkit.draws import Draws
from gonkit.feeding import feed
from gonkit.gon import GON
from gonkit.losses import MSE, Objective
from gonkit.model import Model, build
from gonkit.ranks import Ranks
from gonkit.recipe import Recipe
from gonkit.rehearsal import Ledger
from gonkit.signal import Batch, Prediction
from gonkit.siren import Siren
from gonkit.step import Step

Run = Callable[[], object]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Shapes:
    """Sizes of a benchmark, in the letters of the shape legend: B, P, C, D, K, and the field's."""

    batch: int = 64
    points: int = 784
    channels: int = 1
    dims: int = 2
    latents: int = 32
    width: int = 256
    layers: int = 4
    own: bool = False  # whether each signal lies on points of its own

    def build(self, device: torch.device) -> tuple[GON, Batch]:
        """A network and random signals on random coordinates."""
        torch.manual_seed(0)
        field = Siren(self.dims, self.channels, self.latents, width=self.width, layers=self.layers)
        gon = GON(field, MSE(), step=self.points / (self.batch * self.channels)).to(device)
        coords = torch.rand(*([self.batch] if self.own else []), self.points, self.dims, device=device) * 2 - 1
        return gon, Batch(coords, torch.rand(self.batch, self.points, self.channels, device=device))


WORK: Mapping[str, Shapes] = {
    "28×28, C = 1": Shapes(),
    "32×32, C = 3": Shapes(points=1024, channels=3, latents=64),
    "2,000 in a row, C = 1": Shapes(points=2000, dims=1, latents=64),
    "2,048 own points, C = 1": Shapes(batch=16, points=2048, dims=3, latents=64, own=True),
}
"""What `gonkit bench table` times: a gray picture, a color picture, a sound and a shape, by their sizes."""


def literal_latent(gon: GON, batch: Batch, create_graph: bool = True) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Eq. 1 as it is written: c ⊕ z joined for each of B·P rows, and the gradient taken through them all.

    Returns:
        The field over joined rows, as a function of a latent (B, K), and the latent.
    """
    field = gon.field
    coords = batch.coords.expand(len(batch), -1, -1)
    first = torch.cat((field.coordinate.weight, field.latent.weight), 1)

    def decode(latent: Tensor) -> Tensor:
        joined = torch.cat((coords, latent.unsqueeze(1).expand(-1, coords.shape[1], -1)), -1)  # (B, P, D + K)
        hidden = torch.sin(field.omega * torch.nn.functional.linear(joined, first, field.latent.bias))
        for layer in field.hidden:
            hidden = torch.sin(field.omega_hidden * layer(hidden))
        values: Tensor = field.value(hidden)
        return values

    origin = torch.zeros(len(batch), field.latent_dim, device=coords.device, requires_grad=True)
    loss = (decode(origin) - batch.values).square().sum(-1).mean(1).sum()
    (slope,) = torch.autograd.grad(loss, origin, create_graph=create_graph)
    return decode, -gon.step * slope


def bench_step(shapes: Shapes, rounds: int, device: torch.device) -> Figures:
    """Seconds of a training step without its optimizer: medians, median absolute deviations, peak memory.

    `literal` is Eq. 1 as written, in a process as PyTorch finds it. The others keep freed memory, as gonkit's training
    does: `kept_literal` the same equation, `shared` gonkit's step, `compiled` and `compiled_bf16` the same compiled,
    `outer` an outer pass alone, which is an auto-decoder's step. On points of their own nothing is shared, and gonkit's
    step is the literal one without the concatenation. Warm-up and compilation are not timed. Peak memory is of a
    process that makes that step only and does not keep what it freed, above what it held before.
    """
    gon, batch = shapes.build(device)
    steps = _steps(gon, batch)
    working = {name: step for name, step in steps.items() if _works(step, device)}
    times: dict[str, list[float]] = {name: [] for name in ("literal", "kept_literal", *working)}
    for _ in range(rounds):
        times["literal"].append(_seconds_of(steps["literal"], device))
        with freed_memory("kept"):
            for name, step in working.items():
                step()  # its memory is warm from here
                times["kept_literal" if name == "literal" else name].append(_seconds_of(step, device))
    figures: Figures = {}
    for name, taken in times.items():
        figures[f"{name}_s"] = statistics.median(taken)
        figures[f"{name}_mad"] = statistics.median(abs(t - statistics.median(taken)) for t in taken)
    for name in steps.keys() - working.keys():
        figures[f"{name}_s"] = None
    literal = figures["literal_s"]
    for name in ("shared", "compiled", "compiled_bf16"):
        seconds = figures[f"{name}_s"]
        figures[f"literal_over_{name}"] = literal / seconds if literal and seconds else None
    with Ledger() as counted:
        steps["shared"]()
    figures["step_gflop"] = counted.operations / 1e9
    for name, kind in (("compiled", torch.float32), ("compiled_bf16", torch.bfloat16)):
        rate, seconds = _product_rate(shapes, kind, rounds, device), figures[f"{name}_s"]
        figures[f"{name}_products_gflops"] = rate / 1e9
        figures[f"{name}_of_products"] = counted.operations / seconds / rate if seconds else None
    shared, outer = figures["shared_s"], figures["outer_s"]
    figures["shared_over_outer"] = shared / outer if shared and outer else None
    for name in ("literal", "shared", "outer"):
        figures[f"{name}_peak_mb"] = _peak_megabytes(shapes, name, device)
    literal_peak, shared_peak = figures["literal_peak_mb"], figures["shared_peak_mb"]
    figures["shared_over_literal_peak"] = shared_peak / literal_peak if shared_peak and literal_peak else None
    return figures


def _product_rate(shapes: Shapes, kind: torch.dtype, rounds: int, device: torch.device) -> float:
    """Multiplications and additions a second of a layer's product for all rows of a step, into memory that is there."""
    rows = torch.rand(shapes.batch * shapes.points, shapes.width, device=device).to(kind)
    weight, out = torch.rand(shapes.width, shapes.width, device=device).to(kind), torch.empty_like(rows)
    times = _take_turns({"product": lambda: torch.mm(rows, weight, out=out)}, rounds, device)["product"]
    return 2 * rows.numel() * shapes.width / statistics.median(times)


def bench_encode(shapes: Shapes, rounds: int, device: torch.device, signals: int) -> Figures:
    """Signals encoded per second: by the literal equation, a batch at a time, and by the cached origin."""
    gon, batch = shapes.build(device)
    many = Batch(batch.coords, batch.values[torch.arange(signals, device=device) % shapes.batch].clone())

    def literal() -> Tensor:
        # differentiates once: what is timed is an encoding, not a training step
        return literal_latent(gon, batch, create_graph=False)[1]

    exact = literal()
    off = (gon.encode(batch) - exact).abs().max() / exact.abs().max()
    times = _take_turns({"literal": literal, "cached": lambda: gon.encode(many)}, rounds, device)
    per_second = {
        "literal_per_s": shapes.batch / statistics.median(times["literal"]),
        "cached_per_s": signals / statistics.median(times["cached"]),
    }
    ratio = per_second["cached_per_s"] / per_second["literal_per_s"]
    return {**per_second, "cached_over_literal": ratio, "largest_relative_difference": off.item()}


def bench_decode(shapes: Shapes, rounds: int, device: torch.device, chunk: int | None) -> Figures:
    """Points decoded per second, and the most memory that takes beside its result, in a process of its own."""
    gon, _ = replace(shapes, batch=1, points=1).build(device)
    coords = torch.rand(shapes.points, shapes.dims, device=device) * 2 - 1
    latent = torch.zeros(1, shapes.latents, device=device)
    times = _take_turns({"decode": lambda: gon.decode(latent, coords, chunk=chunk)}, rounds, device)["decode"]
    seconds = statistics.median(times)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak = pool.apply(_decoded_peak, (shapes, str(device), chunk))
    return {"points_per_s": shapes.points / seconds, "decode_s": seconds, "peak_mb": peak}


def _decoded_peak(shapes: Shapes, device_name: str, chunk: int | None) -> float:
    device = torch.device(device_name)
    gon, _ = replace(shapes, batch=1, points=1).build(device)
    latent = torch.zeros(1, shapes.latents, device=device)
    gon.decode(latent, torch.zeros(8, shapes.dims, device=device))
    coords = torch.rand(shapes.points, shapes.dims, device=device) * 2 - 1
    result = 4 * shapes.points * shapes.channels / 2**20

    def decode() -> None:
        gon.decode(latent, coords, chunk=chunk)

    return _peak_of(decode, device) - result


def bench_objects(model: Model, rounds: int, count: int = 4) -> Figures:
    """Seconds for natural objects of latents as the signal type makes them, and for their values on the whole grid."""
    latent = model.prior.sample(count)
    made = {"made": lambda: model.decode(latent), "whole": lambda: model.values(latent)}
    times = {name: statistics.median(t) / count for name, t in _take_turns(made, rounds, model.device).items()}
    return {
        "object_s": times["made"],
        "whole_grid_s": times["whole"],
        "whole_over_object": times["whole"] / times["made"],
    }


def bench_data(recipe: Recipe, rounds: int, device: torch.device) -> Figures:
    """Signals fetched per second, and those that a training step of the recipe takes in that time."""
    train = recipe.signal.dataset("train")
    pair = train.pair(torch.arange(recipe.train.batch) % len(train))
    draws = Draws(recipe.train.seed, len(train), recipe.train.batch)
    steps = feed(train, draws, Ranks(), 1, 10 * rounds + 1, recipe.train.workers)
    next(steps)  # workers begin
    started = time.perf_counter()
    for _ in steps:
        pass
    fetched = 10 * rounds * recipe.train.batch / (time.perf_counter() - started)
    gon = build(recipe, classes=len(train.classes)).to(device)
    this, (given, wanted) = Step(gon, recipe, draws), (part.to(device) for part in pair)

    def step() -> None:
        this.loss(1, this.draw(1, given, wanted))[1].backward()

    seconds = statistics.median(_take_turns({"step": step}, rounds, device)["step"])
    needed = recipe.train.batch / seconds
    return {"fetched_per_s": fetched, "needed_per_s": needed, "fetched_over_needed": fetched / needed}


def bench_table(rounds: int, device: torch.device) -> str:
    """`bench_step` for each of `WORK`, as Markdown; on a GPU also batches from 16 to 4,096, and what is encoded."""
    ratios_of = ("gonkit", "compiled", "compiled bf16")
    rows = [["work", "literal, s", "kept, s", *ratios_of, "outer alone, s", "peak of literal's"]]
    floors = [["work", "GFLOP a step", "GFLOP/s", "compiled, of that", "GFLOP/s, bf16", "compiled bf16, of that"]]
    for name, shapes in WORK.items():
        found = bench_step(shapes, rounds, device)
        ratios = [_times(found[f"literal_over_{kind}"]) for kind in ("shared", "compiled", "compiled_bf16")]
        peak = found["shared_over_literal_peak"]
        seconds = [_seconds(found, kind) for kind in ("literal", "kept_literal", "outer")]
        rows.append([name, *seconds[:2], *ratios, seconds[2], f"{peak or 0:.2f}"])
        numbers = [found["step_gflop"]]
        for kind in ("compiled", "compiled_bf16"):
            numbers += [found[f"{kind}_products_gflops"], 100 * (found[f"{kind}_of_products"] or math.nan)]
        floors.append([name, *(f"{n:.0f}{' %' if i in (2, 4) else ''}" for i, n in enumerate(numbers))])
    parts = [_markdown(rows), _markdown(floors)]
    if device.type == "cuda":
        rows = [["B", "gonkit, ms a step", "compiled bf16, ms a step"]]
        for size in (16, 64, 256, 1024, 4096):
            gon, batch = Shapes(batch=size).build(device)
            kinds = ("shared", "compiled_bf16")
            steps = {k: v for k, v in _steps(gon, batch).items() if k in kinds and _works(v, device)}
            times = {k: statistics.median(t) for k, t in _take_turns(steps, rounds, device).items()}
            rows.append([f"{size:,}", *(f"{1e3 * times.get(k, math.nan):.2f}" for k in kinds)])
        encoded = bench_encode(Shapes(), rounds, device, 60_000)
        parts += [_markdown(rows), f"{encoded['cached_per_s'] or 0:,.0f} signals of 784 points encoded per second."]
    return "\n\n".join(parts)


def _times(ratio: float | None) -> str:
    return f"{ratio:.1f}×" if ratio else "not possible"


def _seconds(found: Figures, name: str) -> str:
    return f"{found[f'{name}_s'] or math.nan:.3f} ± {found.get(f'{name}_mad') or 0:.3f}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _steps(gon: GON, batch: Batch) -> dict[str, Run]:
    """The variants, each a forward and a backward pass."""
    objective = Objective(MSE(), {"mse": (1.0, MSE())})
    torch.compiler.reset()  # what other sizes compiled counts towards a limit
    compiled = torch.compile(gon.forward, dynamic=False)
    zero = torch.zeros(len(batch), gon.field.latent_dim, device=batch.values.device, requires_grad=True)

    def literal() -> None:
        decode, latent = literal_latent(gon, batch)
        (decode(latent) - batch.values).square().mean(1).sum(-1).mean().backward()

    def step(predict: Callable[..., Prediction], bf16: bool) -> Run:
        def run() -> None:
            with torch.autocast(batch.values.device.type, torch.bfloat16, enabled=bf16):
                prediction = predict(batch)
            objective(prediction, batch)[0].backward()

        return run

    def outer() -> None:
        (gon.field(batch.coords, zero) - batch.values).square().mean(1).sum(-1).mean().backward()

    return {
        "literal": literal,
        "shared": step(gon, False),
        "compiled": step(compiled, False),
        "compiled_bf16": step(compiled, True),
        "outer": outer,
    }


def _works(step: Run, device: torch.device) -> bool:
    """Warms a variant up, twice; False where it cannot run, as without a compiler."""
    try:
        step()
        step()
        _wait(device)
    except Exception:
        return False
    return True


def _take_turns(steps: Mapping[str, Run], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each variant, one after another in every round, so that a slow moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            seconds = _seconds_of(step, device)
            if turn:
                times[name].append(seconds)
    return times


def _seconds_of(step: Run, device: torch.device) -> float:
    _wait(device)
    started = time.perf_counter()
    step()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_megabytes(shapes: Shapes, name: str, device: torch.device) -> float:
    """Of one variant in a process of its own, above what the process held before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_peak, (shapes, name, str(device)))


def _measure_peak(shapes: Shapes, name: str, device_name: str) -> float:
    device = torch.device(device_name)
    gon, batch = shapes.build(device)
    step = _steps(gon, batch)[name]
    if device.type == "cpu":
        tiny_gon, tiny_batch = Shapes(batch=2, points=8, width=8).build(device)
        _steps(tiny_gon, tiny_batch)[name]()  # what libraries load on first use is not the step's
    return _peak_of(step, device)


def _peak_of(step: Run, device: torch.device) -> float:
    """The most MiB above what the process held before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    held = _resident(anew=True)
    step()
    return (_resident() - held) / 2**10


def _resident(anew: bool = False) -> float:
    """The most memory that this process ever held, in KiB; `anew` forgets what was before, where the system can."""
    status, forget = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if status.exists():  # Linux, where getrusage's figure begins with the parent's
        if anew and os.access(forget, os.W_OK):
            forget.write_text("5")
        return float(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
