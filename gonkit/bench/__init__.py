"""Benchmarks: the shared origin next to the literal equation, and statistics of normality next to each other."""

from __future__ import annotations

from gonkit.bench.normality import detection_power
from gonkit.bench.overhead import bench_overhead
from gonkit.bench.suites import bench_data, bench_decode, bench_encode, bench_objects, bench_step
from gonkit.bench.table import bench_table
from gonkit.bench.workloads import CASES, BenchConfig, literal_latent

__all__ = [
    "CASES",
    "BenchConfig",
    "bench_data",
    "bench_decode",
    "bench_encode",
    "bench_objects",
    "bench_overhead",
    "bench_step",
    "bench_table",
    "detection_power",
    "literal_latent",
]
