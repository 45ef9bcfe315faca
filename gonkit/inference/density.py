"""Paths through the latent space that stay where latents are likely."""

from __future__ import annotations

__all__ = ["density_path"]

import torch
from torch import Tensor

from gonkit.errors import GonkitError
from gonkit.metrics import pairwise_distance
from gonkit.priors import Prior, fit_gaussian

NUM_SAMPLES = 3000  # of the prior: they give the scale of latents, and the path to begin with
NEIGHBORS = 12  # to which each sample is joined
NUM_POINTS = 33  # of the path while it is optimized
DENSITY_WEIGHT = 16.0  # λ
OPTIMIZER_STEPS = 300
LEARNING_RATE = 0.05  # of whitened latents
MAX_DEFICIT = 10.0  # nats per dimension by which an end may be less likely than samples are


def density_path(a: Tensor, b: Tensor, steps: int, prior: Prior) -> Tensor:
    """Paths from a to b that are short and lead through likely latents, at equal distances along them.

    A path w(t) of whitened latents, t from 0 to 1, minimizes its energy minus the mean log density,

        J = ∫ |dw/dt|² dt − λ ∫ log p(w(t)) dt

    by Adam on its inner points. It is a local minimum, near the path to begin with: the shortest one from sample to
    neighboring sample of the prior, or a straight line where neighbors do not connect a and b. Samples have a fixed
    seed, so that the same latents and prior give the same path. The shortest path is Isomap's: Tenenbaum, de Silva &
    Langford, A Global Geometric Framework for Nonlinear Dimensionality Reduction (2000), with squared lengths.

    Args:
        a: (..., K).
        b: (..., K).
        steps: number of latents.
        prior: p, a density of the same K dimensions.

    Returns:
        (..., steps, K), with a and b themselves at the ends.

    Raises:
        GonkitError: a or b is so unlikely that the density says nothing about paths between them.
    """
    samples = prior.sample(NUM_SAMPLES, seed=0)
    whitening = fit_gaussian(samples)
    mean, factor = whitening.means[0], whitening.scale_tril[0]
    ends = torch.stack((a, b), -2).detach().float().cpu()  # (..., 2, K)
    _require_likely(ends.flatten(0, -2), samples, prior)
    white = whitening.whiten(ends.flatten(0, -2)).view(-1, 2, ends.shape[-1])
    path = _minimize(_paths_through_samples(white, whitening.whiten(samples)), prior, mean, factor)
    latent = mean + _at_equal_distances(path, steps) @ factor.T
    latent = latent.view(*ends.shape[:-2], *latent.shape[1:])
    latent[..., -1, :], latent[..., 0, :] = ends[..., 1, :], ends[..., 0, :]
    return latent.to(a)


def _require_likely(ends: Tensor, samples: Tensor, prior: Prior) -> None:
    typical, lowest = prior.log_prob(samples).median().item(), prior.log_prob(ends).min().item()
    if typical - lowest > MAX_DEFICIT * ends.shape[1]:
        raise GonkitError(
            f"interpolation: the log density is {lowest:.0f} nats at an end of the path, and {typical:.0f} at a "
            'typical sample: it was fitted to too few latents for a "density" path; choose "slerp", or train on more '
            "signals, without prior.per_class"
        )


@torch.enable_grad()
def _minimize(path: Tensor, prior: Prior, mean: Tensor, factor: Tensor) -> Tensor:
    """Whitened paths (N, T, K) of lower J. Latents are the mean plus the factor times whitened ones."""
    first, inner, last = path[:, :1], path[:, 1:-1].clone().requires_grad_(True), path[:, -1:]
    optimizer = torch.optim.Adam([inner], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, OPTIMIZER_STEPS)
    for _ in range(OPTIMIZER_STEPS):
        energy = torch.cat((first, inner, last), 1).diff(dim=1).square().sum() * (path.shape[1] - 1)
        log_density = prior.log_prob((mean + inner @ factor.T).flatten(0, 1)).sum() / inner.shape[1]
        optimizer.zero_grad()
        (energy - DENSITY_WEIGHT * log_density).backward()
        optimizer.step()
        schedule.step()
    return torch.cat((first, inner, last), 1).detach()


def _paths_through_samples(ends: Tensor, samples: Tensor) -> Tensor:
    """(N, T, K): shortest paths between ends (N, 2, K) in the graph of nearest neighbors among samples and ends."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    nodes = torch.cat((samples, ends.flatten(0, 1)))
    distances, neighbors = pairwise_distance(nodes, nodes).topk(NEIGHBORS + 1, largest=False)
    rows = torch.arange(len(nodes)).repeat_interleave(NEIGHBORS + 1)
    costs = distances.flatten().square() + 1e-9  # zero would mean: not joined
    graph = csr_array((costs.numpy(), (rows.numpy(), neighbors.flatten().numpy())), shape=(len(nodes),) * 2)
    paths = []
    for i in range(len(ends)):
        source, target = len(samples) + 2 * i, len(samples) + 2 * i + 1
        _, previous = dijkstra(graph, directed=False, indices=source, return_predecessors=True)
        index = [target]
        while previous[index[-1]] >= 0:  # negative at the source, and where it does not lead
            index.append(int(previous[index[-1]]))
        if index[-1] != source:
            index = [target, source]
        paths.append(_at_equal_distances(nodes[index[::-1]].unsqueeze(0), NUM_POINTS))
    return torch.cat(paths)


def _at_equal_distances(path: Tensor, steps: int) -> Tensor:
    """(N, steps, K): points at equal distances along polygons (N, T, K), ends included."""
    lengths = path.diff(dim=1).norm(dim=2).cumsum(1)
    lengths = torch.cat((torch.zeros_like(lengths[:, :1]), lengths), 1)  # (N, T)
    wanted = torch.linspace(0, 1, steps) * lengths[:, -1:]
    right = torch.searchsorted(lengths, wanted).clamp(1, path.shape[1] - 1)
    left_length, right_length = lengths.gather(1, right - 1), lengths.gather(1, right)
    share = (wanted - left_length) / (right_length - left_length).clamp_min(1e-12)

    def at(index: Tensor) -> Tensor:
        return path.gather(1, index.unsqueeze(2).expand(-1, -1, path.shape[2]))

    return torch.lerp(at(right - 1), at(right), share.clamp(0, 1).unsqueeze(2))
