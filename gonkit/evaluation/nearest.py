"""The training signals most similar to decoded ones, to tell samples from copies."""

from __future__ import annotations

__all__ = ["nearest_training_signals"]

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gonkit.data import Signal, SignalDataset, evenly_spaced
from gonkit.inference import encode_dataset
from gonkit.nn import GON

MAX_MEAN_SIGNALS = 10_000  # training signals over which the mean is taken
MAX_COMPARED_POINTS = 4096  # at which signals without a common grid are compared
BATCH_SIZE = 4096


@torch.no_grad()
def nearest_training_signals(
    gon: GON, signal: Signal, train: SignalDataset, latent: Tensor, train_latent: Tensor | None = None
) -> list[tuple[str, float]]:
    """For each latent, the training signal most similar to what it decodes to.

    Similarity is the correlation of values about the training mean: 1 for a copy, 0 for nothing in common. Training
    signals that do not lie on one grid are represented by their reconstructions.

    Args:
        gon: the network.
        signal: the type.
        train: training signals, without a source.
        latent: (B, K).
        train_latent: (N, K) of the training signals, if they are known already; needed for those without a grid.

    Returns:
        Name and similarity of the nearest training signal, B of them.
    """
    device = gon.device
    example = train.batch(torch.arange(1))
    exact = example.shares_coords and example.mask is None
    coords = example.coords
    if not exact:
        coords = signal.grid().coords
        coords = coords[evenly_spaced(MAX_COMPARED_POINTS, len(coords))]
        train_latent = encode_dataset(gon, train) if train_latent is None else train_latent
    coords = coords.to(device)

    def values(index: Tensor) -> Tensor:
        if train_latent is None or exact:
            return train.batch(index).values.to(device).flatten(1)
        return gon.decode(train_latent[index].to(device), coords).flatten(1)

    mean = values(evenly_spaced(MAX_MEAN_SIGNALS, len(train))).mean(0)
    queries = normalize(gon.decode(latent.to(device), coords).flatten(1) - mean, dim=1)
    best, nearest = torch.full((len(latent),), -torch.inf), torch.zeros(len(latent), dtype=torch.int64)
    for index in torch.arange(len(train)).split(BATCH_SIZE):
        similarity, row = (queries @ normalize(values(index) - mean, dim=1).T).cpu().max(1)
        nearest = torch.where(similarity > best, index[row], nearest)
        best = torch.maximum(best, similarity)
    return list(zip(train.info.names_of(nearest), best.tolist(), strict=True))
