"""Equation 1 written out, without any of the library's shortcuts; and small fields and signals to compare on."""

from __future__ import annotations

import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.losses import BCEWithLogitsLoss, HuberLoss, Loss, MSELoss
from gonkit.nn import Siren

B, P, D, K = 4, 24, 2, 5

LOSSES = (MSELoss(), HuberLoss(0.3), BCEWithLogitsLoss())


def make_field(channels: int = 1, sources: int = 0, init: str = "split") -> Siren:
    torch.manual_seed(channels)
    return Siren(D, channels, K, sources, width=12, layers=3, omega=5.0, omega_hidden=3.0, init=init).double()  # type: ignore[arg-type]


def make_signals(channels: int = 1, *, masked: bool | str = False, own: bool = False, sources: int = 0) -> Batch:
    """Random signals; `own` gives each its own coordinates, "channels" masks each channel for itself."""
    generator = torch.Generator().manual_seed(7)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    return Batch(
        coords=rand(B, P, D) * 2 - 1 if own else rand(P, D) * 2 - 1,
        values=rand(B, P, channels),
        mask=rand(B, P, *[channels] * (masked == "channels")) > 0.4 if masked else None,
        source=rand(B, P, sources) if sources else None,
    )


def literal_field(field: Siren, batch: Batch, latent: Tensor) -> Tensor:
    """F(c ⊕ z ⊕ s) over B·P joined rows."""
    parts = [batch.coords.expand(len(batch), -1, -1), latent.unsqueeze(1).expand(-1, P, -1)]
    weights = [field.coordinate.weight, field.latent.weight]
    if batch.source is not None and field.source is not None:
        parts.append(batch.source)
        weights.append(field.source.weight)
    joined = torch.cat(parts, -1).flatten(0, 1)  # (B·P, D + K + S)
    hidden = torch.sin(field.omega * (joined @ torch.cat(weights, 1).T + field.latent.bias))
    for layer in field.hidden:
        hidden = torch.sin(field.omega_hidden * (hidden @ layer.weight.T + layer.bias))
    return (hidden @ field.value.weight.T + field.value.bias).unflatten(0, (len(batch), P))


def literal_loss(loss: Loss, prediction: Tensor, batch: Batch) -> Tensor:
    """(B,) the sum over channels of the mean over the points where each was observed."""
    x = batch.values
    match loss:
        case MSELoss():
            density = (prediction - x) ** 2
        case HuberLoss(delta):
            gap = (prediction - x).abs()
            density = torch.where(gap < delta, 0.5 * gap**2, delta * (gap - 0.5 * delta))
        case BCEWithLogitsLoss():
            density = -x * torch.log(torch.sigmoid(prediction)) - (1 - x) * torch.log(1 - torch.sigmoid(prediction))
    if batch.mask is None:
        return density.sum(-1).mean(1)
    mask = batch.mask if batch.mask.ndim == 3 else batch.mask.unsqueeze(-1).expand_as(density)
    per_signal = zip(density.unbind(0), mask.unbind(0), strict=True)
    return torch.stack(
        [sum((row[m].mean() for row, m in zip(one.T, own.T, strict=True)), torch.zeros(())) for one, own in per_signal]
    )


def literal_gradient(field: Siren, loss: Loss, batch: Batch, latent: Tensor, *, create_graph: bool = False) -> Tensor:
    """∇L (B, K) at a latent that requires a gradient."""
    inner = literal_loss(loss, literal_field(field, batch, latent), batch).sum()
    return torch.autograd.grad(inner, latent, create_graph=create_graph)[0]


def literal_latent(field: Siren, loss: Loss, batch: Batch, step_size: float, steps: int = 1) -> Tensor:
    """The inner step of equation 1, as it is written."""
    latent = torch.zeros(len(batch), K, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        latent = latent - step_size * literal_gradient(field, loss, batch, latent, create_graph=True)
    return latent


def weight_gradients(value: Tensor, field: Siren) -> list[Tensor]:
    """Gradients of a scalar by the field's weights, zero for weights that it does not depend on."""
    weights = list(field.parameters())
    gradients = torch.autograd.grad(value, weights, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)]
