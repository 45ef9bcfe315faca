"""Synthetic sea surface temperatures: fields on a grid of latitude and longitude, with land where nothing is known."""

from __future__ import annotations

__all__ = ["AXES", "SHAPE", "VALUE_RANGE", "make_weather"]

from functools import lru_cache

import torch
from torch import Tensor

AXES, SHAPE = ("latitude", "longitude"), (24, 48)
VALUE_RANGE = (-4.0, 34.0)  # °C
NUM_SIGNALS, NUM_EDDIES = 2000, 4


@lru_cache(maxsize=1)
def make_weather() -> Tensor:
    """(2,000, 24·48, 1) temperatures in °C, NaN on land, the same on every machine but for rounding.

    A front, whose place and waves are random, divides cold from warm water; warm and cold eddies drift in both. Few
    numbers describe a field, and none of them enters it linearly.

    Example:
        >>> fields = make_weather()
        >>> fields.shape, round(fields.isnan().float().mean().item(), 2)
        (torch.Size([2000, 1152, 1]), 0.22)
    """
    generator = torch.Generator().manual_seed(0)

    def uniform(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(NUM_SIGNALS, *size, generator=generator)

    rows, columns = SHAPE
    latitude = torch.linspace(1, -1, rows).view(1, rows, 1)
    longitude = (torch.arange(columns) * (2 * torch.pi / columns)).view(1, 1, columns)
    middle, amplitude, phase = uniform(-0.4, 0.4, 1, 1), uniform(0, 0.3, 1, 1), uniform(0, 2 * torch.pi, 1, 1)
    waves = torch.randint(1, 4, (NUM_SIGNALS, 1, 1), generator=generator)
    front = middle + amplitude * torch.sin(waves * longitude + phase)
    fields = 14 - 11 * torch.tanh((latitude - front) / uniform(0.15, 0.4, 1, 1))
    for _ in range(NUM_EDDIES):
        across = torch.sin((longitude - uniform(0, 2 * torch.pi, 1, 1)) / 2) * 4  # periodic
        along = (latitude - uniform(-0.9, 0.9, 1, 1)) * 3
        size = uniform(0.4, 1.0, 1, 1)
        fields = fields + uniform(-4, 4, 1, 1) * torch.exp(-(across.square() + along.square()) / (2 * size.square()))
    return fields.where(~_land(latitude, longitude), torch.nan).flatten(1).unsqueeze(-1)


def _land(latitude: Tensor, longitude: Tensor) -> Tensor:
    """(1, rows, columns) true on two continents and an island."""
    land = torch.zeros(1, *SHAPE, dtype=torch.bool)
    for north, east, height, width in ((0.35, 1.3, 0.5, 0.8), (-0.45, 1.7, 0.45, 0.4), (0.1, 4.4, 0.75, 0.45)):
        shifted = torch.sin((longitude - east - 0.3 * latitude) / 2) * 2
        land |= ((latitude - north) / height).square() + (shifted / width).square() < 1
    return land
