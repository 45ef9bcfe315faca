"""gonkit bench table: all workloads as Markdown, as docs/performance.md shows them."""

from __future__ import annotations

__all__ = ["bench_table"]

import math
import statistics
from collections.abc import Sequence

import torch

from gonkit.bench.suites import bench_encode, bench_step
from gonkit.bench.timing import Timings, time_interleaved, warm_up
from gonkit.bench.workloads import CASES, BenchConfig, step_variants

BATCH_SIZES = (16, 64, 256, 1024, 4096)
NUM_ENCODED = 60_000  # signals


def bench_table(rounds: int, device: torch.device) -> str:
    """`bench_step` of each of `CASES`; on a GPU also steps of 16 to 4,096 signals, and signals encoded per second."""
    results = {name: bench_step(config, rounds, device) for name, config in CASES.items()}
    parts = [_markdown(_step_rows(results)), _markdown(_product_rows(results))]
    if device.type == "cuda":
        encoded = bench_encode(BenchConfig(), rounds, device, NUM_ENCODED)
        parts += [
            _markdown(_batch_size_rows(rounds, device)),
            f"{encoded['cached_per_s'] or 0:,.0f} signals of 784 points encoded per second.",
        ]
    return "\n\n".join(parts)


def _step_rows(results: dict[str, Timings]) -> list[list[str]]:
    head = ["work", "literal, s", "kept, s", "gonkit", "compiled", "compiled bf16", "outer alone, s", "peak / literal"]
    rows = [head]
    for name, timings in results.items():
        ratios = [_times(timings[f"literal_over_{variant}"]) for variant in ("shared", "compiled", "compiled_bf16")]
        literal, kept, outer = (_seconds(timings, variant) for variant in ("literal", "kept_literal", "outer"))
        peak = f"{timings['shared_over_literal_peak'] or 0:.2f}"
        rows.append([name, literal, kept, *ratios, outer, peak])
    return rows


def _product_rows(results: dict[str, Timings]) -> list[list[str]]:
    """The work of a step, the rate of matrix products alone, and the share of it that the compiled step reaches."""
    rows = [["work", "GFLOP per step", "GFLOP/s", "compiled reaches", "GFLOP/s, bf16", "compiled bf16 reaches"]]
    for name, timings in results.items():
        row = [name, f"{timings['step_gflop']:.0f}"]
        for variant in ("compiled", "compiled_bf16"):
            share = 100 * (timings[f"{variant}_of_products"] or math.nan)
            row += [f"{timings[f'{variant}_products_gflops']:.0f}", f"{share:.0f} %"]
        rows.append(row)
    return rows


def _batch_size_rows(rounds: int, device: torch.device) -> list[list[str]]:
    rows = [["B", "gonkit, ms per step", "compiled bf16, ms per step"]]
    for size in BATCH_SIZES:
        variants = step_variants(*BenchConfig(batch=size).build(device))
        names = ("shared", "compiled_bf16")
        working = {name: variants[name] for name in names if warm_up(variants[name], device)}
        times = {name: statistics.median(t) for name, t in time_interleaved(working, rounds, device).items()}
        rows.append([f"{size:,}", *(f"{1e3 * times.get(name, math.nan):.2f}" for name in names)])
    return rows


def _times(ratio: float | None) -> str:
    return f"{ratio:.1f}×" if ratio else "not possible"


def _seconds(timings: Timings, name: str) -> str:
    return f"{timings[f'{name}_s'] or math.nan:.3f} ± {timings.get(f'{name}_mad') or 0:.3f}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])
