"""Partial observation: what is predicted of points that were not seen."""

from __future__ import annotations

__all__ = ["View", "observation_curve", "seen_at_random"]

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.metrics import psnr
from gonkit.signal import Signal, SignalError, SignalSet

SIGNALS = 500  # of a set that the curve is taken over, for the time it takes


def seen_at_random(count: int, points: int, share: float, seed: int = 0) -> Tensor:
    """(count, points) bool: a share of each signal's points, at least one, drawn for each signal by itself.

    Example:
        >>> seen_at_random(3, 10, 0.4).sum(1).tolist()
        [4, 4, 4]
    """
    chance = torch.rand(count, points, generator=torch.Generator().manual_seed(seed))
    return chance.argsort(1).argsort(1) < max(1, round(share * points))


@dataclass(frozen=True)
class View:
    """Which points of a signal are looked at.

    Attributes:
        share: of the points, drawn at random.
        hidden: a part of each axis, from 0 at its beginning to 1 at its end; what lies in all of them is not seen.
    """

    share: float = 1.0
    hidden: Sequence[tuple[float, float]] = ()

    def mask(self, places: Tensor, seed: int = 0) -> Tensor | None:
        """(B, P) bool, True where points at `places` (B, P, D), from 0 to 1 along each axis, are seen; None for all.

        Raises:
            SignalError: hidden parts for another number of axes.

        Example:
            >>> View(hidden=[(0.25, 0.5)]).mask(torch.tensor([[[0.1], [0.3], [0.5], [0.9]]])).tolist()
            [[True, False, True, True]]
        """
        seen = None
        if self.share < 1:
            seen = seen_at_random(places.shape[0], places.shape[1], self.share, seed)
        if self.hidden:
            if len(self.hidden) != places.shape[-1]:
                raise SignalError(
                    f"{len(self.hidden)} parts to hide were given, and the signal has {places.shape[-1]} axes; give "
                    "one LOW:HIGH for each"
                )
            low, high = torch.tensor(self.hidden).T
            outside = ~((places >= low) & (places < high)).all(-1)
            seen = outside if seen is None else seen & outside
        return seen


@torch.no_grad()
def observation_curve(
    gon: GON, signal: Signal, signals: SignalSet, shares: Sequence[float], seed: int = 0
) -> list[dict[str, float]]:
    """How well whole signals are predicted from a share of their points.

    Args:
        gon: the network.
        signal: whose range PSNR takes its peak from.
        signals: held-out ones; up to 500 are taken, spread evenly.
        shares: of points observed, each above 0 and at most 1.
        seed: of which points.

    Returns:
        For each share: `observed`; `psnr` in dB of the mean error over all points; `hidden`, over the points that were
        not observed (absent where all were); `zeros`, the same where missing points were given as zero instead.

    Raises:
        SignalError: signals that are converted from others.
    """
    if signal.observes is not signal:
        raise SignalError("a curve over shares of observed points is for signals that are encoded from themselves")
    batch = signals.evenly(SIGNALS).to(gon.scale.device)
    there = torch.ones(batch.values.shape[:2], dtype=torch.bool) if batch.mask is None else batch.mask.cpu()
    low, high = signal.value_range

    def error(mask: Tensor, values: Tensor, where: Tensor) -> float:
        latent = gon.encode(replace(batch, values=values, mask=mask))
        squares = (gon.decode(latent, batch.coords) - batch.values).square().mean(2)
        return psnr(squares[where].mean(), high - low).item()

    rows = []
    for share in shares:
        seen = (seen_at_random(there.shape[0], there.shape[1], share, seed) & there).to(batch.values.device)
        whole = there.to(seen.device)
        row = {"observed": share, "psnr": error(seen, batch.values, whole)}
        if share < 1:
            zeroed = batch.values.where(seen.unsqueeze(-1), 0.0)
            row |= {"hidden": error(seen, batch.values, ~seen & whole), "zeros": error(whole, zeroed, ~seen & whole)}
        rows.append(row)
    return rows
