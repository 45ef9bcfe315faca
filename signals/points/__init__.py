"""Values at points of a signal's own, of different numbers from signal to signal."""

from __future__ import annotations

from signals.points.dataset import PointsDataset
from signals.points.files import PointsFiles
from signals.points.signal import Points
from signals.points.stations import make_stations
from signals.points.tables import Measurements, read_measurements, write_measurements

__all__ = [
    "Measurements",
    "Points",
    "PointsDataset",
    "PointsFiles",
    "make_stations",
    "read_measurements",
    "write_measurements",
]
