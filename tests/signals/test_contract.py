"""The signal types that come with gonkit keep their contract."""

from __future__ import annotations

import pytest

from gonkit.data import check_contract
from gonkit.pipeline.artifacts import DatasetSplits
from gonkit.recipe import read_recipe
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("digits", []),
        ("audio", ["signal.count=50"]),
        ("shapes", ["signal.count=30", "signal.points=256"]),
        ("colorize", []),
        ("superres", []),
    ],
)
def test_built_in_types_keep_their_contract(name: str, overrides: list[str]) -> None:
    task = read_recipe(ROOT / "recipes" / f"{name}.toml", overrides).signal
    check_contract(task, DatasetSplits.read(task).by_name())
