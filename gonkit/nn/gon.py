"""The Gradient Origin Network: one field that encodes by its gradient and decodes by its value."""

from __future__ import annotations

__all__ = ["GON", "StepNoise"]

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gonkit.batch import Batch, Prediction
from gonkit.losses import Loss
from gonkit.metrics import batch_mse
from gonkit.nn.chunks import decode_in_chunks, default_chunk
from gonkit.nn.heads import PosteriorHead
from gonkit.nn.inner_steps import InnerStep
from gonkit.nn.origin import Linearization, infer_latent, linearize
from gonkit.nn.recompute import decode_checkpointed, infer_latent_checkpointed
from gonkit.nn.refinement import LatentDistribution, refine_latent
from gonkit.nn.siren import Siren

MAX_SHARED_SIGNALS = 1024  # signals on shared coordinates that are encoded together
MAX_RESIDUAL_SIGNALS = 256  # whose residuals are averaged


@dataclass(frozen=True)
class StepNoise:
    """Random tensors of one training step.

    Attributes:
        noise: (B, K) standard normal, for the reparameterization of a variational model.
        dropout_mask: (B, 1) bool, True for latents that are left at the origin.
    """

    noise: Tensor | None = None
    dropout_mask: Tensor | None = None


class GON(nn.Module):
    """A field, and the inner loss and step that turn its gradient into latents.

    **Units.** The network works on values minus `value_mean` over `value_scale`, the training set's mean and standard
    deviation of each channel, so that neither a unit nor an offset matters; or on
    logits where the losses expect them. `forward` takes and gives network units, for training; `encode` and `decode`
    take and give the signal type's own units.

    **Separate encoder.** Where one signal type is converted to another, latents are inferred through the field
    `encoder` from values minus `encoder_mean` over `encoder_scale`, and decoded by `field`.

    Args:
        field: F.
        loss: L_inner.
        inner_step: how latents move from zero.
        steps: inner steps.
        refine: refinement steps after them, unless `encode` is given another number.
        value_scale: what values are divided by, for all channels or (C,); 1 with a loss on logits.
        value_mean: what is subtracted before, likewise; 0 with a loss on logits.
        outputs_logits: whether decoded values are logits; None for what the inner loss expects.
        encoder: another field through which latents are inferred.
        encoder_scale: what its values are divided by.
        encoder_mean: what is subtracted from them before.
        classifier: maps latents (B, K) to logits (B, N).
        posterior: maps latents to the mean and log variance of a variational model.

    Example:
        >>> from gonkit.losses import MSELoss
        >>> from gonkit.nn.inner_steps import GradientStep
        >>> gon = GON(Siren(coord_dim=1, channels=1, latent_dim=8, width=32, layers=2), MSELoss(), GradientStep(1.0))
        >>> batch = Batch(torch.linspace(-1, 1, 50).unsqueeze(1), torch.rand(4, 50, 1))
        >>> latent = gon.encode(batch)
        >>> gon.decode(latent, torch.linspace(-1, 1, 400).unsqueeze(1)).shape
        torch.Size([4, 400, 1])
    """

    value_scale: Tensor
    value_mean: Tensor
    encoder_scale: Tensor
    encoder_mean: Tensor
    latent_mean: Tensor
    latent_precision: Tensor
    residual_variance: Tensor

    def __init__(
        self,
        field: Siren,
        loss: Loss,
        inner_step: InnerStep,
        *,
        steps: int = 1,
        refine: int = 0,
        value_scale: float | Tensor = 1.0,
        value_mean: float | Tensor = 0.0,
        outputs_logits: bool | None = None,
        encoder: Siren | None = None,
        encoder_scale: float | Tensor = 1.0,
        encoder_mean: float | Tensor = 0.0,
        classifier: nn.Module | None = None,
        posterior: PosteriorHead | None = None,
    ) -> None:
        super().__init__()
        self.field = field
        self.loss = loss
        self.inner_step = inner_step
        self.steps = steps
        self.refine = refine
        self.outputs_logits = loss.expects_logits if outputs_logits is None else outputs_logits
        self.encoder = encoder
        self.classifier = classifier
        self.posterior = posterior
        self.register_buffer("value_scale", _per_channel(value_scale, field.channels))
        self.register_buffer("value_mean", _per_channel(value_mean, field.channels))
        if encoder is not None:
            self.register_buffer("encoder_scale", _per_channel(encoder_scale, encoder.channels))
            self.register_buffer("encoder_mean", _per_channel(encoder_mean, encoder.channels))
        self.register_buffer("latent_mean", torch.zeros(field.latent_dim))
        self.register_buffer("latent_precision", torch.zeros(field.latent_dim, field.latent_dim))
        self.register_buffer("residual_variance", torch.tensor(0.5))

    def extra_repr(self) -> str:
        return f"loss={self.loss}, inner_step={self.inner_step}, steps={self.steps}"

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.value_scale.device

    @property
    def encoder_field(self) -> Siren:
        """The field through which latents are inferred."""
        return self.field if self.encoder is None else self.encoder

    def forward(
        self,
        inputs: Batch,
        target: Batch | None = None,
        *,
        latent: Tensor | None = None,
        noise: StepNoise | None = None,
        predict_input: bool = False,
        max_points: int | None = None,
    ) -> Prediction:
        """Encodes `inputs` and predicts at the points of `target`: the outer field of Eq. 1. Network units.

        Args:
            inputs: what the latents are inferred from.
            target: where to predict; None for the same points.
            latent: (B, K) known already; None to infer it from `inputs`.
            noise: random tensors of a training step; None for none.
            predict_input: whether to predict the input signals too.
            max_points: points, of all signals together, whose activations are kept for the backward pass; those of
                more are recomputed there, with the same result. None keeps all.
        """
        target = inputs if target is None else target
        noise = noise or StepNoise()
        if latent is None:
            latent = self.infer_latent(inputs, max_points=max_points)
        posterior = None if self.posterior is None else self.posterior(latent)
        if posterior is not None:
            latent, log_variance = posterior
            if noise.noise is not None:
                latent = latent + noise.noise * (0.5 * log_variance).exp()
        logits = None if self.classifier is None else self.classifier(latent)
        if noise.dropout_mask is not None:
            latent = latent.masked_fill(noise.dropout_mask, 0.0)
        values = decode_checkpointed(self.field, target, latent, max_points)
        input_values = None
        if predict_input:
            input_values = decode_checkpointed(self.encoder_field, inputs, latent, max_points), inputs
        return Prediction(values.to(latent.dtype), latent, logits, posterior, input_values)

    def infer_latent(
        self, batch: Batch, *, origin: Linearization | None = None, max_points: int | None = None
    ) -> Tensor:
        """Latents (B, K) of a batch in network units; of a variational model, the input of its posterior head.

        See `gonkit.nn.infer_latent`, also for `origin`; `max_points` as in `forward`.
        """
        field, loss, step, steps = self.encoder_field, self.loss, self.inner_step, self.steps
        if max_points is None:
            return infer_latent(field, loss, batch, step, steps=steps, origin=origin)
        return infer_latent_checkpointed(field, loss, batch, step, steps=steps, max_points=max_points)

    @torch.no_grad()
    def encode(self, batch: Batch, *, refine: int | None = None) -> Tensor:
        """Latents (B, K) of signals in their own units; the mean of a variational model.

        On shared coordinates the field is linearized once; with the squared error the rest is one matrix product, if
        latents are not refined.

        Args:
            batch: B signals.
            refine: refinement steps; None for the network's own `refine`.
        """
        latent = self._encode_by_inner_steps(batch)
        refine = self.refine if refine is None else refine
        return self.refine_latent(self.standardize(batch, encoder=True), latent, steps=refine) if refine else latent

    def _encode_by_inner_steps(self, batch: Batch) -> Tensor:
        shared = batch.shares_coords and batch.source is None
        origin = linearize(self.encoder_field, batch.coords) if shared else None
        chunk = MAX_SHARED_SIGNALS
        if not shared or self.steps > 1:  # every signal's points go through the network
            chunk = max(1, default_chunk(batch.coords) // batch.values.shape[1])
        parts = [
            self.infer_latent(self.standardize(batch[start : start + chunk], encoder=True), origin=origin)
            for start in range(0, len(batch), chunk)
        ]
        latent = torch.cat(parts)
        return latent if self.posterior is None else self.posterior(latent)[0]

    @torch.no_grad()
    def refine_latent(self, batch: Batch, latent: Tensor, *, steps: int) -> Tensor:
        """Latents (B, K) refined from `latent`, of a batch in network units; see `gonkit.nn.refine_latent`.

        Until `calibrate` is called nothing is known of how latents are distributed.
        """
        distribution = LatentDistribution(self.latent_mean, self.latent_precision, self.residual_variance)
        return refine_latent(self.encoder_field, self.loss, batch, latent, distribution, steps=steps)

    @torch.no_grad()
    def calibrate(self, batch: Batch) -> None:
        """Measures how latents of training signals are distributed, for their refinement.

        Args:
            batch: training signals in their own units, more than K.
        """
        latent = self._encode_by_inner_steps(batch)
        covariance = torch.cov(latent.double().T).reshape(latent.shape[1], -1)
        ridge = 1e-6 * covariance.diagonal().mean().clamp_min(1e-12) * torch.eye(len(covariance)).to(covariance)
        self.latent_mean.copy_(latent.mean(0))
        self.latent_precision.copy_(torch.linalg.inv(covariance + ridge))
        if not self.loss.expects_logits:
            some = torch.arange(0, len(batch), max(1, len(batch) // MAX_RESIDUAL_SIGNALS), device=latent.device)
            part = self.standardize(batch[some], encoder=True)
            values = decode_in_chunks(self.encoder_field, latent[some], part.coords, part.source, None)
            self.residual_variance.copy_(batch_mse(values, part).nanmean())

    @torch.no_grad()
    def decode(
        self,
        latent: Tensor,
        coords: Tensor,
        source: Tensor | None = None,
        *,
        chunk: int | None = None,
        network_units: bool = False,
    ) -> Tensor:
        """Values (B, P, C) of latents (B, K) at coords (P, D) or (B, P, D), in the signals' own units.

        Args:
            latent: (B, K).
            coords: where, at any resolution.
            source: (B, P, S) or None.
            chunk: points, of all signals together, that go through the network at once; None for the fastest here.
            network_units: return the network's output as it is.
        """
        values = decode_in_chunks(self.field, latent, coords, source, chunk)
        return values if network_units else self.to_signal_units(values)

    @torch.no_grad()
    def inner_loss(self, latent: Tensor, batch: Batch) -> Tensor:
        """The inner loss (B,) of latents (B, K) for input signals in their own units."""
        batch = self.standardize(batch, encoder=True)
        values = decode_in_chunks(self.encoder_field, latent, batch.coords, batch.source, None)
        return self.loss(Prediction(values, latent), batch)

    @torch.no_grad()
    def classify(self, latent: Tensor) -> Tensor:
        """Class probabilities (B, N) of latents (B, K).

        Raises:
            ValueError: there is no classifier.
        """
        if self.classifier is None:
            raise ValueError("this model has no label head: it was trained without a loss on labels")
        return torch.softmax(self.classifier(latent), 1)

    def standardize(self, batch: Batch, *, encoder: bool = False) -> Batch:
        """The same signals in network units, of `field` or of the field through which latents are inferred."""
        if encoder and self.encoder is not None:
            return replace(batch, values=(batch.values - self.encoder_mean) / self.encoder_scale)
        return replace(batch, values=(batch.values - self.value_mean) / self.value_scale)

    def to_signal_units(self, values: Tensor) -> Tensor:
        """Outputs of `field` in the signals' own units."""
        return torch.sigmoid(values) if self.outputs_logits else values * self.value_scale + self.value_mean


def _per_channel(value: float | Tensor, channels: int) -> Tensor:
    """(C,) of one number for all channels, or of one for each."""
    return torch.as_tensor(value, dtype=torch.float32).expand(channels).clone()
