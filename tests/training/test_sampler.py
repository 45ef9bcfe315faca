"""Which signals and points a step uses."""

from __future__ import annotations

import torch

from gonkit.training import StepSampler


def test_every_epoch_takes_every_signal_once() -> None:
    sampler = StepSampler(seed=3, num_signals=10, batch_size=4)
    index = torch.cat([sampler.batch_indices(step) for step in range(1, 11)])  # 40: four epochs
    for epoch in index.split(10):
        assert epoch.sort().values.tolist() == list(range(10))
    assert not torch.equal(index[:10], index[10:20])


def test_a_batch_may_be_larger_than_the_set() -> None:
    index = StepSampler(0, num_signals=3, batch_size=8).batch_indices(1)
    assert index.bincount().tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])


def test_a_step_s_signals_do_not_depend_on_earlier_calls() -> None:
    one, other = StepSampler(5, 100, 16), StepSampler(5, 100, 16)
    for step in range(1, 20):
        one.batch_indices(step)
    assert torch.equal(one.batch_indices(40), other.batch_indices(40))
    assert not torch.equal(one.batch_indices(40), StepSampler(6, 100, 16).batch_indices(40))


def test_points_are_distinct_and_differ_by_step_and_purpose() -> None:
    sampler = StepSampler(0, 10, 4)
    points = sampler.point_indices("outer", 7, 50, 20)
    assert points is not None
    assert len(points.unique()) == 20
    assert points.max() < 50
    for stream, step in (("inner", 7), ("outer", 8)):
        other = sampler.point_indices(stream, step, 50, 20)
        assert other is not None
        assert not torch.equal(points, other)
    assert sampler.point_indices("outer", 7, 50, None) is None
    assert sampler.point_indices("outer", 7, 50, 50) is None


def test_contiguous_points_favor_no_inner_point_and_reach_both_ends() -> None:
    sampler = StepSampler(0, 10, 4)
    counts = torch.zeros(60)
    for step in range(3000):
        points = sampler.point_indices("outer", step, 60, 20, contiguous=True)
        assert points is not None
        assert points.diff().unique().tolist() == [1]
        counts[points] += 1
    shares = counts / 3000  # of 79 places to begin, 20 reach an inner point
    assert shares[20:40].sub(20 / 79).abs().max() < 0.04
    assert shares.min() > 20 / 79 - 0.04


def test_seeds_of_steps_are_reproducible_and_differ() -> None:
    sampler = StepSampler(0, 10, 4)
    seeds = [sampler.step_seed(step) for step in range(1, 50)]
    assert len(set(seeds)) == 49
    assert seeds[6] == StepSampler(0, 10, 4).step_seed(7)
    assert seeds[6] != StepSampler(1, 10, 4).step_seed(7)
