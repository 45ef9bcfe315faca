"""Statistics of normality, and their power."""

from __future__ import annotations

import pytest
import torch

from gonkit.bench import detection_power
from gonkit.bench.normality import CASES, STATISTICS, mardia_kurtosis
from gonkit.priors import normality


def normal(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("case", ["heavy", "clustered", "bent", "skewed"])
def test_latents_of_other_shapes_are_not_normal(case: str) -> None:
    generator = torch.Generator().manual_seed(0)
    assert normality(CASES[case](normal(400, 32, seed=5), generator)) > 2


def test_mardia_s_kurtosis_of_normal_latents_is_small() -> None:
    assert mardia_kurtosis(normal(4000, 3)) < 1


def test_power_is_a_share_of_every_statistic_and_case() -> None:
    power = detection_power(size=60, latents=3, draws=20)
    assert power.keys() == {f"{statistic}_{case}" for statistic in STATISTICS for case in CASES}
    assert len(power) == 20
    assert power["energy_skewed"] > 0.1
    assert all(0 <= share <= 1 for share in power.values())
