"""The Gradient Origin Network: one field that encodes by its gradient and decodes by its value."""

from __future__ import annotations

__all__ = ["GON"]

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from gonkit.losses import Loss
from gonkit.origin import Linearisation, Origin, infer_latent, linearise
from gonkit.signal import Batch, Prediction
from gonkit.siren import Siren


class GON(nn.Module):
    """A field with the inner loss that makes latents.

    **Units.** The network works on values divided by `scale`, the training set's standard deviation, or
    on logits where the losses ask for them. `forward` speaks network units, for training; `encode` and
    `decode` speak the signal type's own.

    Args:
        field: F.
        inner: L_inner.
        step: η of `infer_latent`.
        steps: origin steps.
        origin: "gradient" or "damped".
        scale: what values are divided by; 1 with a loss on logits.

    Example:
        >>> from gonkit.losses import MSE
        >>> gon = GON(Siren(coord_dim=1, channels=1, latent_dim=8, width=32, layers=2), MSE(), step=1.0)
        >>> batch = Batch(torch.linspace(-1, 1, 50).unsqueeze(1), torch.rand(4, 50, 1))
        >>> latent = gon.encode(batch)
        >>> gon.decode(latent, torch.linspace(-1, 1, 400).unsqueeze(1)).shape
        torch.Size([4, 400, 1])
    """

    scale: Tensor

    def __init__(
        self,
        field: Siren,
        inner: Loss,
        *,
        step: float,
        steps: int = 1,
        origin: Origin = "gradient",
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.field = field
        self.inner = inner
        self.step = step
        self.steps = steps
        self.origin: Origin = origin
        self.register_buffer("scale", torch.tensor(float(scale)))

    def extra_repr(self) -> str:
        return f"inner={self.inner}, step={self.step}, steps={self.steps}, origin={self.origin!r}"

    def forward(
        self, observed: Batch, target: Batch | None = None, render: Callable[..., Tensor] | None = None
    ) -> Prediction:
        """Eq. 1's outer field: encodes `observed` and predicts at the points of `target`. Network units.

        Args:
            observed: what the latent is inferred from.
            target: where to predict; None for the same points.
            render: the field for the outer pass, where it is compiled; None for the eager one.
        """
        target = observed if target is None else target
        latent = self.infer(observed)
        values = (render or self.field)(target.coords, latent, target.source)
        return Prediction(values.to(latent.dtype), latent)

    def infer(self, batch: Batch, about_zero: Linearisation | None = None) -> Tensor:
        """Latents (B, K) of a batch in network units."""
        return infer_latent(
            self.field,
            self.inner,
            batch,
            step=self.step,
            steps=self.steps,
            origin=self.origin,
            about_zero=about_zero,
        )

    @torch.no_grad()
    def encode(self, batch: Batch, chunk: int = 1024) -> Tensor:
        """Latents (B, K) of signals in their own units, `chunk` signals at a time.

        On shared coordinates the origin is linearised once: with the squared error the rest is one
        matrix product.
        """
        at_once = batch.shared and batch.source is None
        about_zero = linearise(self.field, batch.coords) if at_once else None
        parts = [
            self.infer(self.standardised(batch[start : start + chunk]), about_zero)
            for start in range(0, len(batch), chunk)
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def decode(
        self, latent: Tensor, coords: Tensor, source: Tensor | None = None, *, chunk: int = 1 << 16, raw: bool = False
    ) -> Tensor:
        """Values (B, P, C) in the signals' own units of latent (B, K) at coords (P, D) or (B, P, D).

        Args:
            latent: (B, K).
            coords: where, at any resolution.
            source: (B, P, S) or None.
            chunk: most points to hold in the network at once, of all signals together.
            raw: leave them in network units.
        """
        points = coords.shape[-2]
        signals = max(1, chunk // points)
        values = latent.new_empty(len(latent), points, self.field.channels)
        for b in range(0, len(latent), signals):
            rows = slice(b, b + signals)
            for p in range(0, points, chunk):
                part = slice(p, p + chunk)
                where = coords[part] if coords.ndim == 2 else coords[rows, part]
                known = None if source is None else source[rows, part]
                part_values = self.field(where, latent[rows], known)
                values[rows, part] = part_values if raw else self.natural(part_values)
        return values

    def standardised(self, batch: Batch) -> Batch:
        """The same signals in network units."""
        return replace(batch, values=batch.values / self.scale)

    def natural(self, values: Tensor) -> Tensor:
        """Network outputs in the signals' own units."""
        return torch.sigmoid(values) if self.inner.logits else values * self.scale
