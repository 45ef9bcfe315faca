"""The time of a step with next to nothing to compute."""

from __future__ import annotations

import pytest
import torch

from gonkit.bench import bench_overhead, overhead


@pytest.mark.slow
def test_whole_steps_are_timed_eager_and_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "BATCH_SIZES", (4,))
    monkeypatch.setattr(overhead, "STEPS", 3)
    threads = torch.get_num_threads()
    timings = bench_overhead(2, torch.device("cpu"))
    assert timings.keys() == {"eager_4_ms", "compiled_4_ms"}
    eager, compiled = timings["eager_4_ms"], timings["compiled_4_ms"]
    assert eager is not None
    assert 0 < eager < 10_000
    assert compiled is None or compiled > 0  # None without a compiler
    assert torch.get_num_threads() == threads
