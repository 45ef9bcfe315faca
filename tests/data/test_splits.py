"""Which signals belong to a split, where windows begin, and which files are skipped."""

from __future__ import annotations

import pytest
import torch

from gonkit.data import report_skipped_files, split_indices, window_starts
from gonkit.errors import GonkitError


def test_splits_are_disjoint_complete_and_always_the_same() -> None:
    parts = [split_indices(57, split, seed=3) for split in ("train", "val", "test")]
    assert torch.cat(parts).sort().values.tolist() == list(range(57))
    assert torch.equal(parts[0], split_indices(57, "train", seed=3))
    assert not torch.equal(parts[0], split_indices(57, "train", seed=4))


def test_every_split_has_at_least_one_signal_and_its_share() -> None:
    assert [len(split_indices(3, split)) for split in ("train", "val", "test")] == [1, 1, 1]
    assert [len(split_indices(100, split, (0.3, 0.2))) for split in ("train", "val", "test")] == [50, 30, 20]


def test_too_few_signals_to_split_are_refused() -> None:
    with pytest.raises(GonkitError, match="at least 3"):
        split_indices(2, "train")


def test_windows_cover_every_point_and_end_with_the_axis() -> None:
    for length in range(1, 40):
        starts = window_starts(length, 8, 0.5)
        assert starts == sorted(set(starts))
        assert starts[-1] == max(0, length - 8)
        covered = {i for start in starts for i in range(start, min(start + 8, length))}
        assert covered == set(range(length))


def test_bad_files_end_a_run_unless_they_are_to_be_skipped() -> None:
    problems = [f"{number}.png: bad" for number in range(12)]
    assert report_skipped_files([], 20, "pictures", skip=False) == ""
    assert report_skipped_files(problems, 20, "pictures", skip=True) == (
        "12 of 20 pictures could not be used and were skipped"
    )
    with pytest.raises(GonkitError) as caught:
        report_skipped_files(problems, 20, "pictures", skip=False)
    first, *listed = str(caught.value).splitlines()
    assert first.startswith("12 of 20 pictures cannot be used; --skip-bad (signal.skip_bad = true) goes on without")
    assert [line.strip() for line in listed] == [*problems[:10], "and 2 more"]
