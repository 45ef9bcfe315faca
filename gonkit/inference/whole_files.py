"""Files of any size encoded and decoded again: tiled, or brought to the training size."""

from __future__ import annotations

__all__ = ["reconstruct_file"]

from pathlib import Path

from gonkit.batch import Batch
from gonkit.data import ObservationMask, Resolution, Signal, SignalWriter
from gonkit.errors import GonkitError
from gonkit.inference.objects import decode_objects
from gonkit.inference.tiling import reconstruct_tiled
from gonkit.metrics import MetricAccumulator
from gonkit.nn import GON


def reconstruct_file(
    gon: GON,
    signal: Signal,
    path: Path,
    stem: Path,
    *,
    resolution: Resolution | None = None,
    scaled: bool = False,
    overlap: float = 0.5,
    observation: ObservationMask | None = None,
    chunk: int | None = None,
    suffix: str | None = None,
) -> tuple[Path, dict[str, float]]:
    """Encodes a file and decodes it again; see `Model.reconstruct` for the arguments and what is returned.

    `observation` says which points are encoded from; None for all.
    """
    reader = None if scaled else signal.files.open(path)
    if reader is not None:

        def create(resolution: int) -> SignalWriter:
            return signal.files.create(stem, reader, resolution, suffix)

        if not isinstance(resolution, int | None):
            raise GonkitError(f"{path}: files of this type are read window by window: resolution takes one number")
        return reconstruct_tiled(
            gon, signal, reader, create, resolution, overlap=overlap, observation=observation, chunk=chunk
        )
    sample, grid = signal.files.load(path), signal.grid()
    batch = Batch.stack([sample], grid.coords)
    positions = (batch.coords.expand(1, -1, -1) + 1) / 2
    inputs = batch.with_mask((observation or ObservationMask()).mask(positions)).to(gon.device)
    latent = gon.encode(inputs)
    low, high = signal.value_range
    metrics = MetricAccumulator(high - low, signal.measures.metrics(), grid.shape)
    metrics.update(gon.decode(latent, inputs.coords, chunk=chunk).cpu(), batch)
    (obj,) = decode_objects(gon, signal, latent, resolution, chunk)
    return signal.files.save(signal.place(obj, sample.transform), stem, suffix), metrics.compute()
