"""The records that travel, and signal types of one's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gonkit.signal import Batch, Resident, Sample, SignalError, split_indices
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "own-signals.md"


def test_shapes_that_do_not_fit_are_named() -> None:
    values = torch.zeros(4, 9, 1)
    for wrong in (
        {"coords": torch.zeros(8, 2)},
        {"coords": torch.zeros(3, 9, 2)},
        {"values": torch.zeros(4, 9)},
        {"mask": torch.ones(4, 9)},
        {"mask": torch.ones(4, 8, dtype=torch.bool)},
        {"source": torch.zeros(4, 8, 1)},
        {"label": torch.zeros(3, dtype=torch.int64)},
    ):
        with pytest.raises(SignalError, match=r"must be .* got"):
            Batch(**({"coords": torch.zeros(9, 2), "values": values} | wrong))


def test_weights_are_shares_of_the_observed_points() -> None:
    mask = torch.tensor([[True, True, False, False], [True, True, True, True], [False, False, False, False]])
    batch = Batch(torch.zeros(4, 2), torch.zeros(3, 4, 1), mask)
    assert batch.weights.squeeze(-1).tolist() == [[0.5, 0.5, 0, 0], [0.25] * 4, [0] * 4]


def test_stacking_keeps_everything() -> None:
    def sample(own: bool) -> Sample:
        return Sample(
            values=torch.rand(5, 2),
            coords=torch.rand(5, 3) if own else None,
            mask=torch.rand(5) > 0.5,
            source=torch.rand(5, 1),
            label=3,
        )

    grid = torch.rand(5, 3)
    for own in (True, False):
        samples = [sample(own) for _ in range(4)]
        batch = Batch.stack(samples, grid)
        assert batch.shared is not own
        part = batch[torch.tensor([2])].at(torch.tensor([4, 1]))
        assert torch.equal(part.values[0], samples[2].values[[4, 1]])
        for name in ("mask", "source"):
            assert torch.equal(getattr(part, name)[0], getattr(samples[2], name)[[4, 1]])
        assert part.label is not None
        assert part.label.tolist() == [3]


def test_splits_are_disjoint_complete_and_always_the_same() -> None:
    parts = [split_indices(57, split, seed=3) for split in ("train", "val", "test")]
    assert torch.cat(parts).sort().values.tolist() == list(range(57))
    assert torch.equal(parts[0], split_indices(57, "train", seed=3))
    assert not torch.equal(parts[0], split_indices(57, "train", seed=4))


def test_too_few_signals_to_split_are_refused() -> None:
    with pytest.raises(SignalError, match="at least 3"):
        split_indices(2, "train")


def test_values_that_are_not_finite_are_named_unless_masked() -> None:
    values = torch.zeros(3, 4, 1)
    values[1, 2] = torch.nan
    with pytest.raises(SignalError, match=r"signal beta: .*not finite"):
        Resident(Batch(torch.zeros(4, 2), values), names=["alpha", "beta", "gamma"])
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1, 2] = False
    assert len(Resident(Batch(torch.zeros(4, 2), values, mask))) == 3
    mask[1, 2] = True
    with pytest.raises(SignalError, match="not finite"):
        Resident(Batch(torch.zeros(4, 2), values, mask))


def blocks() -> dict[str, str]:
    """The files that the page on signal types of one's own tells its reader to write."""
    return dict(re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE.read_text(), re.S))


def test_the_documented_type_trains_and_renders_as_it_stands_there(tmp_path: Path) -> None:
    files = blocks()
    assert files.keys() == {"globe.py", "globe.toml"}
    assert len(files["globe.py"].splitlines()) < 60
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def command(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = command("gonkit.run", "globe.toml", "--quiet")
    figures = dict(line.split() for line in said.splitlines() if len(line.split()) == 2)
    assert float(figures["psnr"]) > 30
    command("gonkit.cli", "sample", "runs/globe/0001", "--resolution", "48", "--count", "2")
    assert len(list((tmp_path / "sample").glob("*.png"))) == 2
