"""gonkit bench: the shared origin against the literal equation, side by side in one run.

Seconds depend on the machine; ratios of variants that took turns in one process hold elsewhere too.
"""

from __future__ import annotations

__all__ = ["Shapes", "bench_encode", "bench_step", "literal_latent"]

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.losses import MSE, Objective
from gonkit.signal import Batch, Prediction
from gonkit.siren import Siren

Step = Callable[[], object]
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

    def build(self, device: torch.device) -> tuple[GON, Batch]:
        """A network and random signals on one random set of coordinates."""
        torch.manual_seed(0)
        field = Siren(self.dims, self.channels, self.latents, width=self.width, layers=self.layers)
        gon = GON(field, MSE(), step=self.points / (self.batch * self.channels)).to(device)
        coords = torch.rand(self.points, self.dims, device=device) * 2 - 1
        return gon, Batch(coords, torch.rand(self.batch, self.points, self.channels, device=device))


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
    """Seconds of a training step without its optimiser: medians, median absolute deviations, peak memory.

    `literal` is Eq. 1 as written, `shared` the shared origin, `compiled` and `compiled_bf16` the same
    with the outer pass compiled, `outer` an outer pass alone, which is an auto-decoder's step. Warm-up
    and compilation are not timed. Peak memory is of a process that makes that step only, above what it
    held before.
    """
    gon, batch = shapes.build(device)
    steps = _steps(gon, batch)
    working = {name: step for name, step in steps.items() if _works(step, device)}
    figures: Figures = {}
    for name, times in _take_turns(working, rounds, device).items():
        figures[f"{name}_s"] = statistics.median(times)
        figures[f"{name}_mad"] = statistics.median(abs(t - statistics.median(times)) for t in times)
    for name in steps.keys() - working.keys():
        figures[f"{name}_s"] = None
    literal = figures["literal_s"]
    for name in ("shared", "compiled", "compiled_bf16"):
        seconds = figures[f"{name}_s"]
        figures[f"literal_over_{name}"] = literal / seconds if literal and seconds else None
    shared, outer = figures["shared_s"], figures["outer_s"]
    figures["shared_over_outer"] = shared / outer if shared and outer else None
    for name in ("literal", "shared", "outer"):
        figures[f"{name}_peak_mb"] = _peak_megabytes(shapes, name, device)
    literal_peak, shared_peak = figures["literal_peak_mb"], figures["shared_peak_mb"]
    figures["shared_over_literal_peak"] = shared_peak / literal_peak if shared_peak and literal_peak else None
    return figures


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


def _steps(gon: GON, batch: Batch) -> dict[str, Step]:
    """The variants, each a forward and a backward pass."""
    objective = Objective(MSE(), {"mse": (1.0, MSE())})
    compiled = torch.compile(gon.forward, dynamic=False)
    zero = torch.zeros(len(batch), gon.field.latent_dim, device=batch.values.device, requires_grad=True)

    def literal() -> None:
        decode, latent = literal_latent(gon, batch)
        (decode(latent) - batch.values).square().mean(1).sum(-1).mean().backward()

    def step(predict: Callable[..., Prediction], bf16: bool) -> Step:
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


def _works(step: Step, device: torch.device) -> bool:
    """Warms a variant up, twice; False where it cannot run, as without a compiler."""
    try:
        step()
        step()
        _wait(device)
    except Exception:
        return False
    return True


def _take_turns(steps: Mapping[str, Step], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each variant, one after another in every round, so that a slow moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            _wait(device)
            started = time.perf_counter()
            step()
            _wait(device)
            if turn:
                times[name].append(time.perf_counter() - started)
    return times


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
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        step()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    tiny_gon, tiny_batch = Shapes(batch=2, points=8, width=8).build(device)
    _steps(tiny_gon, tiny_batch)[name]()  # what libraries load on first use is not the step's
    held = _resident_peak()
    step()
    return (_resident_peak() - held) / 2**10


def _resident_peak() -> float:
    """The most memory that this process ever held, in KiB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage's figure begins with the parent's
        return float(next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
