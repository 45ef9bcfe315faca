"""A small signal type: smooth fields on a grid of any number of axes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch

from gonkit.batch import Batch
from gonkit.data import Grid, InMemoryDataset, IsPath, Signal, Split, split_indices


class Field(Signal):
    """Sums of random waves from −2 to 2."""

    value_range: ClassVar[tuple[float, float]] = (-2.0, 2.0)

    shape: list[int] = [6, 8]  # noqa: RUF012
    channel_count: int = 1
    data: Annotated[str, IsPath(unless=("waves",))] = "waves"

    @property
    def channels(self) -> int:
        return self.channel_count

    def grid(self, resolution: int | None = None) -> Grid:
        scale = 1 if resolution is None else resolution / self.shape[0]
        return Grid.centers(*(round(n * scale) for n in self.shape))

    def dataset(self, split: Split) -> InMemoryDataset:
        coords = self.grid().coords
        waves = torch.randn(30, coords.shape[1], self.channels, generator=torch.Generator().manual_seed(0))
        values = torch.sin(3 * torch.einsum("pd,ndc->npc", coords, waves))
        return InMemoryDataset(Batch(coords, values[split_indices(30, split)]))
