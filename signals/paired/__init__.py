"""Tasks of two signal types: one is predicted from the other."""

from __future__ import annotations

from signals.paired.dataset import PairedDataset
from signals.paired.degradations import degrade, interpolate_grid
from signals.paired.signal import Conditional, Paired, Translation

__all__ = ["Conditional", "Paired", "PairedDataset", "Translation", "degrade", "interpolate_grid"]
