"""What a run would do: the resolved recipe, sizes of network and data, and the memory of a step."""

from __future__ import annotations

__all__ = ["describe_datasets", "describe_run"]

import torch

from gonkit.data import check_contract
from gonkit.devices import select_device
from gonkit.inference import build_gon
from gonkit.pipeline.artifacts import DatasetSplits
from gonkit.recipe import Recipe
from gonkit.training import estimate_step_cost, resolve_auto_settings


def describe_run(recipe: Recipe) -> str:
    """A text for `--dry-run`; the data is read, and nothing is written but caches of prepared data."""
    datasets = DatasetSplits.read(recipe.signal)
    check_contract(recipe.signal, datasets.by_name())
    one = torch.arange(1)
    inputs, target = datasets.train.pair(one)
    device, classes = select_device(recipe.train.device), len(datasets.train.info.class_names)
    recipe, reasons = resolve_auto_settings(recipe, inputs, target, device)
    gon = build_gon(recipe, classes=classes)
    lines = [recipe.toml(), f"parameters: {sum(p.numel() for p in gon.parameters()):,}"]
    lines += [*describe_datasets(datasets), *(f"note: {note}" for note in datasets.notes())]
    lines += [f"{key}: {reason}" for key, reason in reasons.items()]
    peak = estimate_step_cost(recipe, inputs, target, device, classes).peak_mib
    lines.append(f"memory of a step's tensors, beside data and libraries: {peak:,.0f} MiB")
    return "\n".join(lines)


def describe_datasets(datasets: DatasetSplits) -> list[str]:
    """Lines about the size of each split, and the number of training signals of each class."""
    lines = []
    for split, dataset in datasets._asdict().items():
        batch = dataset.batch(torch.arange(1))
        size = sum(t.numel() * t.element_size() for t in (batch.values, batch.mask, batch.source) if t is not None)
        shared = "shared by all" if batch.shares_coords else "of each signal's own"
        lines.append(
            f"{split}: {len(dataset):,} signals, values {tuple(batch.values.shape[1:])}, coords "
            f"{tuple(batch.coords.shape[-2:])} {shared}, {len(dataset) * size / 2**20:.1f} MiB"
        )
    info = datasets.train.info
    if info.labels is not None:
        classes = [f"{info.class_name(label)} {count:,}" for label, count in enumerate(info.labels.bincount().tolist())]
        lines.append(f"training signals of each class: {', '.join(classes)}")
    return lines
