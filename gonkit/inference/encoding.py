"""Latents of whole data sets."""

from __future__ import annotations

__all__ = ["dataset_class_means", "encode_dataset", "encode_signals", "prior_indices"]

from collections.abc import Sequence

import torch
from torch import Tensor

from gonkit.data import SignalDataset, evenly_spaced
from gonkit.errors import GonkitError
from gonkit.inference.interpolation import class_means
from gonkit.nn import GON

ENCODE_BATCH_SIZE = 4096
MAX_REFINED_SIGNALS = 5000  # of a data set, for a prior: refinement takes milliseconds per signal


def encode_signals(gon: GON, dataset: SignalDataset, index: Tensor, *, refine: int | None = None) -> Tensor:
    """Latents (B, K) of the signals `index` (B,) of a data set, on the CPU; `refine` as in `GON.encode`."""
    parts = index.split(ENCODE_BATCH_SIZE)
    inputs = (dataset.evaluation_input(part).to(gon.device) for part in parts)
    return torch.cat([gon.encode(batch, refine=refine).cpu() for batch in inputs])


def encode_dataset(gon: GON, dataset: SignalDataset, *, refine: int | None = None) -> Tensor:
    """Latents (N, K) of all signals of a data set, on the CPU; `refine` as in `GON.encode`."""
    return encode_signals(gon, dataset, torch.arange(len(dataset)), refine=refine)


def prior_indices(gon: GON, dataset: SignalDataset, refine: int | None = None) -> Tensor:
    """Numbers of the training signals whose latents a prior is fitted to: all, or 5,000 where each is refined.

    Args:
        gon: the network.
        dataset: training signals.
        refine: as in `GON.encode`.
    """
    refined = gon.refine if refine is None else refine
    return evenly_spaced(MAX_REFINED_SIGNALS if refined else len(dataset), len(dataset))


def dataset_class_means(gon: GON, dataset: SignalDataset, labels: Sequence[int]) -> Tensor:
    """Mean latents (N', K) of a data set's signals of some classes.

    Raises:
        GonkitError: signals without labels, or none of a class.
    """
    known = dataset.info.labels
    if known is None:
        raise GonkitError("the training signals have no labels: there are no classes to take means of")
    present = known.unique().tolist()
    if absent := [label for label in labels if label not in present]:
        raise GonkitError(f"label: no training signal is of class {absent[0]}; there are {present}")
    rows = torch.isin(known, torch.tensor(labels)).nonzero()[:, 0]
    latent = encode_signals(gon, dataset, rows)
    order = known[rows].unique().tolist()
    return class_means(latent, known[rows])[[order.index(label) for label in labels]]
