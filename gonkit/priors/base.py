"""The interface of a prior, and the noise from which priors are sampled."""

from __future__ import annotations

__all__ = ["Prior", "reject_label", "truncated_normal"]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from gonkit.errors import GonkitError


class Prior(ABC):
    """A density over latents."""

    @property
    @abstractmethod
    def num_components(self) -> int:
        """Number of normal distributions in a mixture; 1 for a flow."""

    @abstractmethod
    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        truncation: float | None = None,
        label: int | None = None,
    ) -> Tensor:
        """Samples latents; the same for the same seed.

        Args:
            count: number of latents.
            seed: of the random numbers.
            temperature: factor of the noise from which latents are computed: 0 gives the most typical ones.
            truncation: largest absolute value of that noise, in standard deviations; None for no limit. Brock,
                Donahue & Simonyan, arXiv 1809.11096, section 3.1.
            label: class to sample from, for a prior with one density for each class.

        Returns:
            (count, K).

        Raises:
            GonkitError: a label where the prior has no classes, or one that it does not know.
        """

    @abstractmethod
    def log_prob(self, latent: Tensor) -> Tensor:
        """Log density (B,) of latent (B, K), in nats; differentiable with respect to the latent."""

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """The tensors from which `from_state_dict` restores the prior."""

    @classmethod
    @abstractmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """The prior that was saved."""


def truncated_normal(count: int, dim: int, generator: torch.Generator, truncation: float | None = None) -> Tensor:
    """Standard normal noise (count, dim), limited to ± `truncation` standard deviations unless that is None.

    Example:
        >>> noise = truncated_normal(1000, 8, torch.Generator().manual_seed(0), truncation=0.5)
        >>> bool(noise.abs().max() <= 0.5), round(noise.std().item(), 1)
        (True, 0.3)
    """
    if truncation is None:
        return torch.randn(count, dim, generator=generator)
    if not truncation > 0:
        raise GonkitError(f"truncation: got {truncation:g}; expected standard deviations above 0, such as 1.5")
    inside = torch.special.ndtr(torch.tensor(truncation, dtype=torch.float64)) * 2 - 1
    uniform = torch.rand(count, dim, generator=generator, dtype=torch.float64)
    noise: Tensor = torch.special.ndtri(0.5 + (uniform - 0.5) * inside).float()
    return noise


def reject_label(label: int | None) -> None:
    """Refuses a label, for priors without classes.

    Raises:
        GonkitError: a label that is not None.
    """
    if label is not None:
        raise GonkitError(
            f"label: got {label}, but this model's prior has no classes; train it with prior.per_class = true on "
            "signals with labels"
        )
