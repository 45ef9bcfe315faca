"""Benchmarks measure what they promise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import gonkit
from gonkit.bench import BenchConfig, bench_data, bench_decode, bench_encode, bench_objects, bench_step
from gonkit.errors import GonkitError
from gonkit.recipe import read_recipe
from tests.conftest import CLASSIFY

SMALL = BenchConfig(batch=4, points=16, latents=3, width=8, layers=2)
CPU = torch.device("cpu")


@pytest.mark.slow
def test_a_step_is_timed_in_every_variant() -> None:
    step = bench_step(SMALL, 2, CPU)
    for name in ("literal", "kept_literal", "shared", "compiled", "compiled_bf16", "outer"):
        seconds = step[f"{name}_s"]
        assert seconds is None or seconds > 0
    assert {"literal_mad", "shared_peak_mb", "literal_over_shared", "shared_over_outer"} <= step.keys()
    literal, shared, ratio = step["literal_s"], step["shared_s"], step["literal_over_shared"]
    assert literal is not None
    assert shared is not None
    assert ratio == pytest.approx(literal / shared)


def test_encoding_is_timed_and_compared() -> None:
    encode = bench_encode(SMALL, 2, CPU, signals=64)
    assert encode["literal_per_s"]
    assert encode["cached_per_s"]
    difference = encode["largest_relative_difference"]
    assert difference is not None
    assert difference < 1e-4  # single precision


@pytest.mark.slow
def test_decoding_is_timed_and_its_memory_measured() -> None:
    decode = bench_decode(SMALL, 1, CPU, chunk=8)
    assert decode["points_per_s"]
    assert decode.keys() == {"points_per_s", "decode_s", "peak_mb"}


def test_objects_are_timed_beside_the_whole_grid(trained: Callable[[str], Path]) -> None:
    timings = bench_objects(gonkit.load(trained("plain")), 1)
    assert timings["object_s"]
    assert timings.keys() == {"object_s", "whole_grid_s", "whole_over_object"}
    with pytest.raises(GonkitError, match="this model cannot sample"):
        bench_objects(gonkit.load(trained("conditional")), 1)


@pytest.mark.parametrize("changes", [(), CLASSIFY])
def test_data_are_timed_beside_a_step(recipe: Callable[..., Path], changes: tuple[tuple[str, str], ...]) -> None:
    timings = bench_data(read_recipe(recipe(*changes)), 1, CPU)
    assert timings["fetched_per_s"]
    assert timings["needed_per_s"]
