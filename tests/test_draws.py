"""What a step draws."""

from __future__ import annotations

import torch

from gonkit.draws import Draws


def test_every_pass_takes_every_signal_once() -> None:
    draws = Draws(seed=3, count=10, size=4)
    taken = torch.cat([draws.signals(step) for step in range(1, 11)])  # 40: four passes
    for part in taken.split(10):
        assert part.sort().values.tolist() == list(range(10))
    assert not torch.equal(taken[:10], taken[10:20])


def test_a_batch_may_be_larger_than_the_set() -> None:
    assert Draws(0, count=3, size=8).signals(1).bincount().tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])


def test_a_step_s_draws_do_not_depend_on_what_was_drawn_before() -> None:
    one, other = Draws(5, 100, 16), Draws(5, 100, 16)
    for step in range(1, 20):
        one.signals(step)
    assert torch.equal(one.signals(40), other.signals(40))
    assert not torch.equal(one.signals(40), Draws(6, 100, 16).signals(40))


def test_points_are_distinct_and_differ_by_step_and_purpose() -> None:
    draws = Draws(0, 10, 4)
    points = draws.points("outer", 7, 50, 20)
    assert points is not None
    assert len(points.unique()) == 20
    assert points.max() < 50
    for stream, step in (("inner", 7), ("outer", 8)):
        assert not torch.equal(points, draws.points(stream, step, 50, 20))  # type: ignore[arg-type]
    assert draws.points("outer", 7, 50, None) is None
    assert draws.points("outer", 7, 50, 50) is None


def test_consecutive_points_favor_no_inner_point_and_reach_both_ends() -> None:
    draws = Draws(0, 10, 4)
    drawn = torch.zeros(60)
    for step in range(3000):
        points = draws.points("outer", step, 60, 20, consecutive=True)
        assert points is not None
        assert points.diff().unique().tolist() == [1]
        drawn[points] += 1
    shares = drawn / 3000  # of 79 places to begin, 20 reach an inner point
    assert shares[20:40].sub(20 / 79).abs().max() < 0.04
    assert shares.min() > 20 / 79 - 0.04
