"""Synthetic weather stations: temperatures at places that differ in place and number from day to day."""

from __future__ import annotations

__all__ = ["BOUNDS", "COORDS", "VALUE_RANGE", "make_stations"]

import numpy

from signals.points.tables import Measurements

COORDS, BOUNDS = ("east", "north"), ((0.0, 600.0), (0.0, 400.0))  # km
VALUE_RANGE = (-25.0, 35.0)  # °C
NUM_DAYS, FEWEST, MOST = 1000, 60, 120


def make_stations() -> list[Measurements]:
    """1,000 days: a front between cold and warm air, a cold valley and a warm town, at 60 to 120 stations; a few
    readings are missing.

    Example:
        >>> days = make_stations()
        >>> len(days), days[0].coords.shape[1], min(len(day.values) for day in days) >= 60
        (1000, 2, True)
    """
    random = numpy.random.default_rng(0)
    days = []
    for number in range(NUM_DAYS):
        count = int(random.integers(FEWEST, MOST + 1))
        coords = random.uniform([low for low, _ in BOUNDS], [high for _, high in BOUNDS], (count, 2))
        east, north = coords.T / 100
        angle, width = random.uniform(0, 2 * numpy.pi), random.uniform(0.3, 0.8)
        across = (east - random.uniform(1.5, 4.5)) * numpy.cos(angle) + (north - random.uniform(1, 3)) * numpy.sin(
            angle
        )
        values = random.uniform(0, 10) + random.uniform(4, 9) * numpy.tanh(across / width)
        for strength in (random.uniform(-8, 0), random.uniform(0, 6)):
            place, size = random.uniform((0.5, 0.5), (5.5, 3.5)), random.uniform(0.4, 0.9)
            distance = (east - place[0]) ** 2 + (north - place[1]) ** 2
            values = values + strength * numpy.exp(-distance / (2 * size**2))
        values[random.uniform(size=count) < 0.03] = numpy.nan
        rows = numpy.arange(count)
        days.append(Measurements(f"day {number}", coords, values.astype(numpy.float32)[:, None], rows))
    return days
