"""What several tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # the networks of tests are too small to share out

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"  # real data, where a machine has it
RECIPE = """
name = "small"
[signal]
type = "signals.image:Image"
data = "digits"
[field]
width = 16
layers = 2
[latent]
dim = 6
[train]
steps = 12
batch = 16
points = 32
validate_every = 5
log_every = 2
validate_signals = 32
[prior]
components = 2
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a small recipe to a file, with lines replaced or added; gives its path."""

    def write(*changes: tuple[str, str], name: str = "small.toml") -> Path:
        text = RECIPE
        for old, new in changes:
            assert old in text, f"{old!r} is not in the recipe"
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
