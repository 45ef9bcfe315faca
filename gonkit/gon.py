"""The Gradient Origin Network: one field that encodes by its gradient and decodes by its value."""

from __future__ import annotations

__all__ = ["GON", "Chance"]

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gonkit.losses import Loss
from gonkit.origin import Linearization, Origin, infer_latent, linearize
from gonkit.recompute import decode_again, infer_again
from gonkit.signal import Batch, Prediction
from gonkit.siren import Siren

SHARED_AT_ONCE = 1024  # signals on shared coordinates that are encoded together
POINTS_AT_ONCE = 1 << 16  # that go through the network together
POINTS_AT_ONCE_ON_CPU = 1 << 12  # stay in its caches


@dataclass(frozen=True)
class Chance:
    """What a training step draws for its latents.

    Attributes:
        noise: (B, K) of the unit normal, for a variational model.
        dropped: (B, 1) bool, True for latents that are left at the origin.
    """

    noise: Tensor | None = None
    dropped: Tensor | None = None


class GON(nn.Module):
    """A field with the inner loss that makes latents.

    **Units.** The network works on values divided by `scale`, the training set's standard deviation, or
    on logits where the losses ask for them. `forward` speaks network units, for training; `encode` and
    `decode` speak the signal type's own.

    **Two fields.** Where one kind of signal is converted to another, latents are inferred through `inner_field` from
    values divided by `inner_scale`, and decoded by `field`.

    Args:
        field: F.
        inner: L_inner.
        step: η of `infer_latent`.
        steps: origin steps.
        origin: "gradient", "damped" or "sparse".
        threshold: τ of the sparse origin.
        scale: what values are divided by; 1 with a loss on logits.
        logits: whether decoded values are logits; None for what the inner loss says.
        inner_field: another field to infer latents through.
        inner_scale: what observed values are divided by there.
        classes: N of a label head on the latent, 0 for none.
        head_width: units of a hidden layer of the label head; 0 for the linear one of Eq. 2.
        variational: whether linear heads take the origin's step to the mean and log variance of a latent.

    Example:
        >>> from gonkit.losses import MSE
        >>> gon = GON(Siren(coord_dim=1, channels=1, latent_dim=8, width=32, layers=2), MSE(), step=1.0)
        >>> batch = Batch(torch.linspace(-1, 1, 50).unsqueeze(1), torch.rand(4, 50, 1))
        >>> latent = gon.encode(batch)
        >>> gon.decode(latent, torch.linspace(-1, 1, 400).unsqueeze(1)).shape
        torch.Size([4, 400, 1])
    """

    scale: Tensor
    inner_scale: Tensor

    def __init__(
        self,
        field: Siren,
        inner: Loss,
        *,
        step: float,
        steps: int = 1,
        origin: Origin = "gradient",
        threshold: float = 0.5,
        scale: float = 1.0,
        logits: bool | None = None,
        inner_field: Siren | None = None,
        inner_scale: float = 1.0,
        classes: int = 0,
        head_width: int = 0,
        variational: bool = False,
    ) -> None:
        super().__init__()
        self.field = field
        self.inner = inner
        self.step = step
        self.steps = steps
        self.origin: Origin = origin
        self.threshold = threshold
        self.logits = inner.logits if logits is None else logits
        self.inner_field = inner_field
        self.head = _head(field.latent_dim, head_width, classes) if classes else None
        self.posterior = _Posterior(field.latent_dim) if variational else None
        self.register_buffer("scale", torch.tensor(float(scale)))
        if inner_field is not None:
            self.register_buffer("inner_scale", torch.tensor(float(inner_scale)))

    def extra_repr(self) -> str:
        return f"inner={self.inner}, step={self.step}, steps={self.steps}, origin={self.origin!r}"

    def forward(
        self,
        observed: Batch,
        target: Batch | None = None,
        *,
        chance: Chance | None = None,
        again: bool = False,
        rows: int | None = None,
    ) -> Prediction:
        """Eq. 1's outer field: encodes `observed` and predicts at the points of `target`. Network units.

        Args:
            observed: what the latent is inferred from.
            target: where to predict; None for the same points.
            chance: what a training step draws; None for none of it.
            again: predict the observed signals too.
            rows: most points of all signals together that are held for the backward pass; what is beyond is computed
                again there, with the same result. None holds all.
        """
        target = observed if target is None else target
        chance = chance or Chance()
        latent = self.infer(observed) if rows is None else infer_again(self, observed, rows)
        posterior = None if self.posterior is None else self.posterior(latent)
        if posterior is not None:
            latent, log_variance = posterior
            if chance.noise is not None:
                latent = latent + chance.noise * (0.5 * log_variance).exp()
        logits = None if self.head is None else self.head(latent)
        if chance.dropped is not None:
            latent = latent.masked_fill(chance.dropped, 0.0)
        values = decode_again(self.field, target, latent, rows)
        seen = (decode_again(self.origin_field, observed, latent, rows), observed) if again else None
        return Prediction(values.to(latent.dtype), latent, logits, posterior, seen)

    @property
    def origin_field(self) -> Siren:
        """The field that latents are inferred through."""
        return self.field if self.inner_field is None else self.inner_field

    def infer(
        self,
        batch: Batch,
        about_zero: Linearization | None = None,
        slope_at: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """The origin's step (B, K) for a batch in network units: its latents, or what a posterior is made of.

        See `gonkit.origin.infer_latent`.
        """
        return infer_latent(
            self.origin_field,
            self.inner,
            batch,
            step=self.step,
            steps=self.steps,
            origin=self.origin,
            threshold=self.threshold,
            about_zero=about_zero,
            slope_at=slope_at,
        )

    @torch.no_grad()
    def encode(self, batch: Batch, chunk: int | None = None) -> Tensor:
        """Latents (B, K) of signals in their own units; means of a variational model.

        On shared coordinates the origin is linearized once: with the squared error the rest is one
        matrix product. `chunk` signals are encoded together; None for as many as bounded memory holds.
        """
        at_once = batch.shared and batch.source is None
        about_zero = linearize(self.origin_field, batch.coords) if at_once else None
        if chunk is None:
            through = not at_once or self.steps > 1  # every signal's points go through the network
            chunk = max(1, _at_once(batch.coords) // batch.values.shape[1]) if through else SHARED_AT_ONCE
        parts = [
            self.infer(self.standardized(batch[start : start + chunk], observed=True), about_zero)
            for start in range(0, len(batch), chunk)
        ]
        latent = torch.cat(parts)
        return latent if self.posterior is None else self.posterior(latent)[0]

    @torch.no_grad()
    def decode(
        self,
        latent: Tensor,
        coords: Tensor,
        source: Tensor | None = None,
        *,
        chunk: int | None = None,
        raw: bool = False,
    ) -> Tensor:
        """Values (B, P, C) in the signals' own units of latent (B, K) at coords (P, D) or (B, P, D).

        Args:
            latent: (B, K).
            coords: where, at any resolution.
            source: (B, P, S) or None.
            chunk: most points to hold in the network at once, of all signals together; None for what is fastest here.
            raw: leave them in network units.
        """
        values = _in_chunks(self.field, latent, coords, source, chunk)
        return values if raw else self.natural(values)

    @torch.no_grad()
    def misfit(self, latent: Tensor, batch: Batch, *, chunk: int | None = None) -> Tensor:
        """The inner loss (B,) of latent (B, K) for observed signals in their own units."""
        batch = self.standardized(batch, observed=True)
        values = _in_chunks(self.origin_field, latent, batch.coords, batch.source, chunk)
        return self.inner(Prediction(values, latent), batch)

    @torch.no_grad()
    def classify(self, latent: Tensor) -> Tensor:
        """Probabilities (B, N) of the labels of latent (B, K).

        Raises:
            ValueError: no label head.
        """
        if self.head is None:
            raise ValueError("this model has no label head: it was trained without a loss on labels")
        return torch.softmax(self.head(latent), 1)

    def standardized(self, batch: Batch, *, observed: bool = False) -> Batch:
        """The same signals in network units: of the decoded field, or of the one that latents are inferred through."""
        other = observed and self.inner_field is not None
        return replace(batch, values=batch.values / (self.inner_scale if other else self.scale))

    def natural(self, values: Tensor) -> Tensor:
        """Outputs of the decoded field in the signals' own units."""
        return torch.sigmoid(values) if self.logits else values * self.scale


def _head(latent_dim: int, width: int, classes: int) -> nn.Module:
    """From a latent to logits: one linear layer; or two, after latents are brought to a deviation of 1."""
    if not width:
        return nn.Linear(latent_dim, classes)
    return nn.Sequential(nn.LayerNorm(latent_dim), nn.Linear(latent_dim, width), nn.ReLU(), nn.Linear(width, classes))


class _Posterior(nn.Module):
    """Linear heads from the origin's step to the mean and log variance of a latent; the step itself to begin with."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(latent_dim, latent_dim)
        self.log_variance = nn.Linear(latent_dim, latent_dim)
        with torch.no_grad():
            nn.init.eye_(self.mean.weight)
            for zero in (self.mean.bias, self.log_variance.weight, self.log_variance.bias):
                zero.zero_()

    def forward(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K) each."""
        return self.mean(step), self.log_variance(step)


def _at_once(coords: Tensor) -> int:
    return POINTS_AT_ONCE_ON_CPU if coords.device.type == "cpu" else POINTS_AT_ONCE


def _in_chunks(field: Siren, latent: Tensor, coords: Tensor, source: Tensor | None, chunk: int | None) -> Tensor:
    """The field's output (B, P, C), at most `chunk` points at once."""
    points, chunk = coords.shape[-2], chunk or _at_once(coords)
    signals = max(1, chunk // max(points, 1))
    values = latent.new_empty(len(latent), points, field.channels)
    for b in range(0, len(latent), signals):
        rows = slice(b, b + signals)
        for p in range(0, points, chunk):
            part = slice(p, p + chunk)
            where = coords[part] if coords.ndim == 2 else coords[rows, part]
            known = None if source is None else source[rows, part]
            values[rows, part] = field(where, latent[rows], known)
    return values
