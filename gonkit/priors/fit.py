"""Fits the prior that a recipe names, of all latents or for each class; restores it from a model file."""

from __future__ import annotations

__all__ = ["ClassConditionalPrior", "PriorKind", "fit_prior", "load_prior"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from gonkit.errors import GonkitError
from gonkit.priors.base import Prior
from gonkit.priors.flow import FlowPrior, fit_flow
from gonkit.priors.gaussian import GaussianMixture, fit_gaussian, standard_normal
from gonkit.priors.mixture import MAX_LATENTS, fit_gaussian_mixture, random_subset, select_gaussian_mixture

PriorKind = Literal["normal", "gmm", "flow", "unit"]


@dataclass(frozen=True)
class ClassConditionalPrior(Prior):
    """A density for each class, weighted by the frequencies of the classes.

    Attributes:
        weights: (N',), which sum to 1.
        labels: (N',) int64, the classes that have training latents.
        parts: N' densities.
    """

    weights: Tensor
    labels: Tensor
    parts: tuple[Prior, ...]

    @property
    def num_components(self) -> int:
        return sum(part.num_components for part in self.parts)

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        truncation: float | None = None,
        label: int | None = None,
    ) -> Tensor:
        if count < 1:
            raise GonkitError(f"count: got {count}; expected a whole number from 1")
        generator = torch.Generator().manual_seed(seed)
        part_index = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        if label is not None:
            part_index = torch.full_like(part_index, self._index_of(label))
        rows, samples = [], []
        for index in part_index.unique().tolist():
            own = (part_index == index).nonzero()[:, 0]
            part_seed = int(torch.randint(2**31, (1,), generator=generator))
            part = self.parts[index]
            samples.append(part.sample(len(own), seed=part_seed, temperature=temperature, truncation=truncation))
            rows.append(own)
        return torch.cat(samples)[torch.cat(rows).argsort()]

    def log_prob(self, latent: Tensor) -> Tensor:
        joint = torch.stack([part.log_prob(latent) for part in self.parts], 1)  # (B, N')
        total: Tensor = torch.logsumexp(joint + self.weights.log(), 1)
        return total

    def state_dict(self) -> dict[str, Tensor]:
        own = {"class_weights": self.weights, "class_labels": self.labels}
        parts = {f"{i}.{key}": value for i, part in enumerate(self.parts) for key, value in part.state_dict().items()}
        return own | parts

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        def part(index: int) -> Prior:
            prefix = f"{index}."
            return load_prior({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})

        weights = state["class_weights"]
        return cls(weights, state["class_labels"], tuple(part(index) for index in range(len(weights))))

    def _index_of(self, label: int) -> int:
        known = self.labels.tolist()
        if label not in known:
            raise GonkitError(f"label: got {label}; the prior knows the classes {', '.join(map(str, known))}")
        return known.index(label)


def fit_prior(
    kind: PriorKind,
    latent: Tensor,
    held_out: Tensor,
    components: int | None = None,
    seed: int = 0,
    *,
    label: Tensor | None = None,
    held_out_label: Tensor | None = None,
) -> Prior:
    """Fits a prior to latents.

    Args:
        kind: "normal"; "gmm", a mixture of normals; "flow"; or "unit", N(0, I) whatever the latents are.
        latent: (B, K) of training signals.
        held_out: (B', K) of validation signals.
        components: of a mixture; None chooses their number by `held_out`.
        seed: of the fit.
        label: (B,) int64 for a density per class; None for one density of all.
        held_out_label: (B',) int64, needed with `label`.

    Raises:
        GonkitError: a flow without zuko.
    """
    if label is not None and held_out_label is not None:
        classes, counts = label.cpu().unique(return_counts=True)
        parts = []
        for index in classes.tolist():
            own, own_held_out = latent[label == index], held_out[held_out_label == index]
            parts.append(fit_prior(kind, own, own_held_out if len(own_held_out) else own, components, seed))
        return ClassConditionalPrior(counts / counts.sum(), classes, tuple(parts))
    if kind == "unit":
        return standard_normal(latent.shape[1])
    if kind == "normal":
        return fit_gaussian(latent)
    if kind == "flow":
        return fit_flow(latent, held_out, seed)
    if components is not None:
        return fit_gaussian_mixture(random_subset(latent, MAX_LATENTS, seed), min(components, len(latent)), seed)
    return select_gaussian_mixture(latent, held_out, seed)


def load_prior(state: Mapping[str, Tensor]) -> Prior:
    """The prior of a model file; the names of its tensors tell which kind it is.

    Raises:
        KeyError: tensors of no prior.
    """
    if "class_weights" in state:
        return ClassConditionalPrior.from_state_dict(state)
    is_flow = any(key.startswith("flow.") for key in state)
    return (FlowPrior if is_flow else GaussianMixture).from_state_dict(state)
