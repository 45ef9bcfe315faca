"""The time of a step with next to nothing to compute."""

from __future__ import annotations

import pytest
import torch

from gonkit.bench import bench_overhead, overhead


@pytest.mark.slow
def test_whole_steps_are_timed_eager_and_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "BATCH_SIZES", (4, 16))
    monkeypatch.setattr(overhead, "STEPS", 3)
    threads = torch.get_num_threads()
    timings = bench_overhead(2, torch.device("cpu"))
    assert timings.keys() == {f"{name}_{size}_ms" for name in ("eager", "compiled") for size in (4, 16)}
    eager = [timings[f"eager_{size}_ms"] or 0 for size in (4, 16)]
    assert all(0 < milliseconds < 10_000 for milliseconds in eager)
    compiled = [timings[f"compiled_{size}_ms"] for size in (4, 16)]
    assert all(milliseconds is None or milliseconds > 0 for milliseconds in compiled)  # None without a compiler
    assert torch.get_num_threads() == threads
