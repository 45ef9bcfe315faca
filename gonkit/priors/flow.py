"""A normalizing flow over latents, by zuko: an extra, `pip install 'gonkit[flow]'`."""

from __future__ import annotations

__all__ = ["FlowPrior", "fit_flow"]

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from gonkit.errors import GonkitError
from gonkit.priors.base import Prior, reject_label, truncated_normal
from gonkit.priors.gaussian import GaussianMixture, fit_gaussian

TRANSFORMS, BINS, HIDDEN = 3, 8, (128, 128)
STEPS = 600
BATCH_SIZE = 512
LEARNING_RATE = 2e-3
GRAD_CLIP = 5.0  # norm of the gradient
CHECK_EVERY = 100  # steps between evaluations of the held-out likelihood


@dataclass(frozen=True)
class FlowPrior(Prior):
    """Spline flow over whitened latents: Durkan et al., Neural Spline Flows, arXiv 1906.04032.

    Attributes:
        whitening: the normal distribution that whitens latents.
        flow: a zuko flow over K dimensions, from whitened latents to noise.
    """

    whitening: GaussianMixture
    flow: Any

    @property
    def num_components(self) -> int:
        return 1

    @torch.no_grad()
    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        truncation: float | None = None,
        label: int | None = None,
    ) -> Tensor:
        reject_label(label)
        mean, factor = self.whitening.means[0], self.whitening.scale_tril[0]
        noise = truncated_normal(count, len(mean), torch.Generator().manual_seed(seed), truncation)
        white: Tensor = self.flow().transform.inv(temperature * noise)
        return mean + white @ factor.T

    def log_prob(self, latent: Tensor) -> Tensor:
        log_volume = self.whitening.scale_tril[0].diagonal().log().sum()
        log_density: Tensor = self.flow().log_prob(self.whitening.whiten(latent)) - log_volume
        return log_density

    def state_dict(self) -> dict[str, Tensor]:
        return self.whitening.state_dict() | {f"flow.{key}": value for key, value in self.flow.state_dict().items()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        whitening = GaussianMixture.from_state_dict(state)
        flow = _spline_flow(whitening.means.shape[1])
        flow.load_state_dict({k.removeprefix("flow."): v for k, v in state.items() if k.startswith("flow.")})
        return cls(whitening, flow.requires_grad_(False))


def fit_flow(latent: Tensor, held_out: Tensor, seed: int = 0, steps: int = STEPS) -> FlowPrior:
    """The flow of maximal likelihood of the latents, at the step where that of the held-out ones is highest.

    Args:
        latent: (B, K) of training signals.
        held_out: (B', K) of validation signals.
        seed: of the initial weights and the batches.
        steps: number of updates.

    Raises:
        GonkitError: zuko is not installed, or K is 1.
    """
    whitening = fit_gaussian(latent)
    white, held_out_white = (whitening.whiten(part.float()) for part in (latent, held_out))
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        flow = _spline_flow(latent.shape[1])
        optimizer = torch.optim.Adam(flow.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        best, weights = -math.inf, copy.deepcopy(flow.state_dict())
        for step in range(steps):
            if step % CHECK_EVERY == 0:
                best, weights = _keep_best(flow, held_out_white, best, weights)
            loss = -flow().log_prob(white[torch.randint(len(white), (BATCH_SIZE,))]).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), GRAD_CLIP)
            optimizer.step()
            schedule.step()
        _, weights = _keep_best(flow, held_out_white, best, weights)
    flow.load_state_dict(weights)
    return FlowPrior(whitening, flow.requires_grad_(False))


@torch.no_grad()
def _keep_best(flow: Any, held_out: Tensor, best: float, weights: dict[str, Tensor]) -> tuple[float, dict[str, Tensor]]:
    """The higher of two held-out log likelihoods, and the weights it belongs to."""
    likelihood = flow().log_prob(held_out).mean().item()
    return (likelihood, copy.deepcopy(flow.state_dict())) if likelihood > best else (best, weights)


def _spline_flow(dim: int) -> Any:
    try:
        import zuko
    except ImportError:
        raise GonkitError(
            'prior.kind: "flow" needs zuko, which is not installed; pip install \'gonkit[flow]\', or choose "gmm"'
        ) from None
    if dim == 1:  # zuko's autoregression needs two dimensions at least
        raise GonkitError('prior.kind: "flow" needs latent.dim of 2 or more; got 1: choose "gmm"')
    return zuko.flows.NSF(dim, transforms=TRANSFORMS, bins=BINS, hidden_features=HIDDEN)
