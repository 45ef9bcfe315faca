"""What a latent is drawn from when a new signal is wanted: a density fitted to the training latents."""

from __future__ import annotations

__all__ = ["Mixture", "PerClass", "Prior", "PriorKind", "fit_normal", "fit_prior", "restore_prior"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from gonkit.densities import Mixture, Prior, fit_normal, unit_normal
from gonkit.flows import Flow, fit_flow
from gonkit.mixtures import MOST_LATENTS, choose_mixture, fit_mixture, some
from gonkit.signal import SignalError

PriorKind = Literal["normal", "gmm", "flow", "unit"]


@dataclass(frozen=True)
class PerClass(Prior):
    """A density for each class, and how often each class occurs.

    Attributes:
        weights: (N',) adding up to 1.
        labels: (N',) int64, the classes that were seen.
        parts: N' densities.
    """

    weights: Tensor
    labels: Tensor
    parts: tuple[Prior, ...]

    @property
    def components(self) -> int:
        return sum(part.components for part in self.parts)

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        truncation: float | None = None,
        label: int | None = None,
    ) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        if label is not None:
            which = torch.full_like(which, self._place(label))
        latent: Tensor | None = None
        for place in which.unique().tolist():
            rows = (which == place).nonzero()[:, 0]
            own_seed = int(torch.randint(2**31, (1,), generator=generator))
            drawn = self.parts[place].sample(len(rows), seed=own_seed, temperature=temperature, truncation=truncation)
            latent = drawn.new_empty(count, drawn.shape[1]) if latent is None else latent
            latent[rows] = drawn
        if latent is None:
            raise SignalError(f"count: got {count}; expected a whole number from 1")
        return latent

    def log_prob(self, latent: Tensor) -> Tensor:
        joint = torch.stack([part.log_prob(latent) for part in self.parts], 1)  # (B, N')
        total: Tensor = torch.logsumexp(joint + self.weights.log(), 1)
        return total

    def state(self) -> dict[str, Tensor]:
        own = {"class_weights": self.weights, "class_labels": self.labels}
        return own | {f"{i}.{key}": value for i, part in enumerate(self.parts) for key, value in part.state().items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        def part(number: int) -> Prior:
            own = {k.removeprefix(f"{number}."): v for k, v in state.items() if k.startswith(f"{number}.")}
            return restore_prior(own)

        weights = state["class_weights"]
        return cls(weights, state["class_labels"], tuple(part(number) for number in range(len(weights))))

    def _place(self, label: int) -> int:
        known = self.labels.tolist()
        if label not in known:
            raise SignalError(f"label: got {label}; the prior knows the classes {', '.join(map(str, known))}")
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
    """The prior that a recipe asks for.

    Args:
        kind: "normal", "gmm", "flow", or "unit" for N(0, I) whatever the latents are.
        latent: (B, K) of training signals.
        held_out: (B', K) of validation signals.
        components: of a mixture; None lets `held_out` choose.
        seed: of the fit.
        label: (B,) for a density per class; None for one density of all.
        held_out_label: (B',) that go with it.

    Raises:
        SignalError: a flow without zuko, or a class without latents.
    """
    if label is not None and held_out_label is not None:
        classes, counts = label.cpu().unique(return_counts=True)
        parts = []
        for one in classes.tolist():
            own, unseen = latent[label == one], held_out[held_out_label == one]
            parts.append(fit_prior(kind, own, unseen if len(unseen) else own, components, seed))
        return PerClass(counts / counts.sum(), classes, tuple(parts))
    if kind == "unit":
        return unit_normal(latent.shape[1])
    if kind == "normal":
        return fit_normal(latent)
    if kind == "flow":
        return fit_flow(latent, held_out, seed)
    if components is not None:
        return fit_mixture(some(latent, MOST_LATENTS, seed), min(components, len(latent)), seed)
    return choose_mixture(latent, held_out, seed)


def restore_prior(state: Mapping[str, Tensor]) -> Prior:
    """The prior of a model file: what it is can be told from what it holds.

    Raises:
        KeyError: a state that is none of a prior's.
    """
    if "class_weights" in state:
        return PerClass.from_state(state)
    return (Flow if any(key.startswith("flow.") for key in state) else Mixture).from_state(state)
