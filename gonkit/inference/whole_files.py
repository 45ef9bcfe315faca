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
    samples, grid = signal.files.load_all(path), signal.grid()
    batch = Batch.stack(samples, grid.coords)
    positions = (batch.coords.expand(len(batch), -1, -1) + 1) / 2
    inputs = batch.with_mask((observation or ObservationMask()).mask(positions)).to(gon.device)
    latent = gon.encode(inputs)
    low, high = signal.value_range
    metrics = MetricAccumulator(high - low, signal.measures.metrics(), grid.shape)
    values = gon.decode(latent, inputs.coords, chunk=chunk).cpu()
    metrics.update(values, batch)
    if resolution is None and suffix in (None, path.suffix):
        predicted = [one[: len(sample.values)] for one, sample in zip(values, samples, strict=True)]
        if (written := signal.files.save_at_points(predicted, path, stem)) is not None:
            return written, metrics.compute()
    if len(samples) > 1:
        raise GonkitError(f"{path}: {len(samples)} signals in one file: they are predicted at their own points only")
    (obj,) = decode_objects(gon, signal, latent, resolution, chunk)
    return signal.files.save(signal.place(obj, samples[0].transform), stem, suffix), metrics.compute()
