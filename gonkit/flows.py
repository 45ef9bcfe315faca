"""A normalizing flow over latents, by zuko: an extra, `pip install 'gonkit[flow]'`."""

from __future__ import annotations

__all__ = ["Flow", "fit_flow"]

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from gonkit.densities import Mixture, Prior, drawn_noise, fit_normal, without_classes
from gonkit.signal import SignalError

TRANSFORMS, BINS, HIDDEN = 3, 8, (128, 128)
STEPS = 600
BATCH = 512
LEARNING_RATE = 2e-3
CHECK_EVERY = 100  # steps between looks at the held-out likelihood


@dataclass(frozen=True)
class Flow(Prior):
    """Spline flow over whitened latents: Durkan et al., Neural Spline Flows, arXiv 1906.04032.

    Attributes:
        about: the normal that whitens: its mean and factor.
        flow: a zuko flow over K dimensions, from latents to noise.
    """

    about: Mixture
    flow: Any

    @property
    def components(self) -> int:
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
        without_classes(label)
        mean, factor = self.about.means[0], self.about.factors[0]
        noise = drawn_noise(count, len(mean), torch.Generator().manual_seed(seed), truncation)
        white: Tensor = self.flow().transform.inv(temperature * noise)
        return mean + white @ factor.T

    @torch.no_grad()
    def log_prob(self, latent: Tensor) -> Tensor:
        volume = self.about.factors[0].diagonal().log().sum()
        log_density: Tensor = self.flow().log_prob(_whitened(self.about, latent.cpu())) - volume
        return log_density

    def state(self) -> dict[str, Tensor]:
        return self.about.state() | {f"flow.{key}": value for key, value in self.flow.state_dict().items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        about = Mixture.from_state(state)
        flow = _spline_flow(about.means.shape[1])
        flow.load_state_dict({k.removeprefix("flow."): v for k, v in state.items() if k.startswith("flow.")})
        return cls(about, flow)


def fit_flow(latent: Tensor, held_out: Tensor, seed: int = 0, steps: int = STEPS) -> Flow:
    """The flow that maximizes the likelihood of latent (B, K), stopped where that of `held_out` (B', K) is highest.

    Args:
        latent: (B, K) of training signals.
        held_out: (B', K) of validation signals.
        seed: of the first weights and the batches.
        steps: updates, at most.

    Raises:
        SignalError: zuko is not installed.
    """
    about = fit_normal(latent)
    white, unseen = (_whitened(about, part.float().cpu()) for part in (latent, held_out))
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        flow = _spline_flow(latent.shape[1])
        optimizer = torch.optim.Adam(flow.parameters(), lr=LEARNING_RATE)
        best, kept = -math.inf, copy.deepcopy(flow.state_dict())
        for step in range(steps):
            if step % CHECK_EVERY == 0:
                best, kept = _better(flow, unseen, best, kept)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            loss = -flow().log_prob(white[torch.randint(len(white), (BATCH,))]).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
            optimizer.step()
        _, kept = _better(flow, unseen, best, kept)
    flow.load_state_dict(kept)
    return Flow(about, flow.requires_grad_(False))


@torch.no_grad()
def _better(flow: Any, held_out: Tensor, best: float, kept: dict[str, Tensor]) -> tuple[float, dict[str, Tensor]]:
    """The higher held-out log likelihood, and the weights that have it."""
    likelihood = flow().log_prob(held_out).mean().item()
    return (likelihood, copy.deepcopy(flow.state_dict())) if likelihood > best else (best, kept)


def _whitened(about: Mixture, latent: Tensor) -> Tensor:
    """Latents (B, K) of zero mean and unit covariance."""
    white: Tensor = torch.linalg.solve_triangular(about.factors[0], (latent - about.means[0]).T, upper=False).T
    return white


def _spline_flow(latents: int) -> Any:
    try:
        import zuko
    except ImportError:
        raise SignalError(
            'prior.kind: "flow" needs zuko, which is not installed; pip install \'gonkit[flow]\', or choose "gmm"'
        ) from None
    if latents == 1:  # zuko's autoregression needs two dimensions at least
        raise SignalError('prior.kind: "flow" needs latent.dim of 2 or more; choose "gmm"')
    return zuko.flows.NSF(latents, transforms=TRANSFORMS, bins=BINS, hidden_features=HIDDEN)
