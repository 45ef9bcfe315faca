"""Points go through a field in chunks, so that memory does not grow with their number."""

from __future__ import annotations

__all__ = ["decode_in_chunks", "default_chunk"]

from torch import Tensor

from gonkit.nn.siren import Siren

MAX_POINTS_GPU = 1 << 16
MAX_POINTS_CPU = 1 << 12  # as many stay in a processor's caches


def default_chunk(coords: Tensor) -> int:
    """Points that go through the network together, the fastest number on their device."""
    return MAX_POINTS_CPU if coords.device.type == "cpu" else MAX_POINTS_GPU


def decode_in_chunks(field: Siren, latent: Tensor, coords: Tensor, source: Tensor | None, chunk: int | None) -> Tensor:
    """The field's output (B, P, C), at most `chunk` points at once."""
    points, chunk = coords.shape[-2], chunk or default_chunk(coords)
    signals = max(1, chunk // max(points, 1))
    values = latent.new_empty(len(latent), points, field.channels)
    for b in range(0, len(latent), signals):
        rows = slice(b, b + signals)
        for p in range(0, points, chunk):
            part = slice(p, p + chunk)
            part_coords = coords[part] if coords.ndim == 2 else coords[rows, part]
            part_source = None if source is None else source[rows, part]
            values[rows, part] = field(part_coords, latent[rows], part_source)
    return values
