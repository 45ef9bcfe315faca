"""SIREN, the field F(c ⊕ z [⊕ s]): it maps a coordinate, a latent and a source, if any, to a value.

Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions, arXiv 2006.09661.
"""

from __future__ import annotations

__all__ = ["Siren"]

import math
from itertools import zip_longest
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gonkit.nn.series import FourierSeries


class Siren(nn.Module):
    """Sine layers over coordinates joined with a latent, then one linear layer.

    The joined vector c ⊕ z ⊕ s is never built. Its product with the first layer's weights splits
    into W_c·c, computed once per point, W_z·z, once per signal, and W_s·s, which are added by broadcasting.

    Args:
        coord_dim: D.
        channels: C.
        latent_dim: K.
        source_channels: S, 0 for none.
        width: units of each sine layer.
        layers: number of sine layers, at least 1.
        omega: ω₀ of the first layer, in radians per unit of coordinate: the frequencies it starts with.
        omega_hidden: ω₀ of the other layers; SIREN's 30 only speeds their learning.
        init: "split" bounds the columns of W_c by 1/D and of W_z by 1/(D+K+S), so that the coordinate
            frequencies do not shrink as latents are added; "paper" bounds both by 1/(D+K+S).
        latent_layers: "first" joins the latent to the coordinate only, as in the paper; "all" also adds a linear map of
            the latent to the argument of every later sine.
        series: a Fourier series to add, see `gonkit.nn.FourierSeries`; the sine layers then start with no output.

    Example:
        >>> field = Siren(coord_dim=2, channels=1, latent_dim=32)
        >>> sum(p.numel() for p in field.parameters())
        206593
        >>> field(torch.zeros(784, 2), torch.zeros(64, 32)).shape
        torch.Size([64, 784, 1])
    """

    def __init__(
        self,
        coord_dim: int,
        channels: int,
        latent_dim: int,
        source_channels: int = 0,
        *,
        width: int = 256,
        layers: int = 4,
        omega: float = 30.0,
        omega_hidden: float = 30.0,
        init: Literal["split", "paper"] = "split",
        latent_layers: Literal["first", "all"] = "first",
        series: FourierSeries | None = None,
    ) -> None:
        super().__init__()
        self.coord_dim = coord_dim
        self.channels = channels
        self.latent_dim = latent_dim
        self.source_channels = source_channels
        self.omega = omega
        self.omega_hidden = omega_hidden
        self.init = init
        self.coordinate = nn.Linear(coord_dim, width, bias=False)
        self.latent = nn.Linear(latent_dim, width)  # carries the first layer's bias
        self.source = nn.Linear(source_channels, width, bias=False) if source_channels else None
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(layers - 1))
        self.value = nn.Linear(width, channels)
        num_shifts = layers - 1 if latent_layers == "all" else 0
        self.shifts = nn.ModuleList(nn.Linear(latent_dim, width, bias=False) for _ in range(num_shifts))
        self.series = series
        self.reset_parameters()

    def extra_repr(self) -> str:
        return f"omega={self.omega}, omega_hidden={self.omega_hidden}, init={self.init!r}"

    @property
    def hidden_matrices(self) -> list[nn.Parameter]:
        """The square matrices between sine layers."""
        own = [weight for name, weight in self.hidden.named_parameters() if name.endswith("weight")]
        return own if self.series is None else [*own, *self.series.hidden_matrices]

    @property
    def _later_layers(self) -> list[tuple[nn.Linear, nn.Linear | None]]:
        """What feeds each sine after the first: W_l with b_l, and V_l where the latent enters every layer."""
        return cast(list[tuple[nn.Linear, nn.Linear | None]], list(zip_longest(self.hidden, self.shifts)))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the weights so that every sine's argument starts with a standard deviation near 1."""
        joined = self.coord_dim + self.latent_dim + self.source_channels
        own = self.coord_dim if self.init == "split" else joined
        self.coordinate.weight.uniform_(-1 / own, 1 / own)
        for layer in (self.latent, self.source):
            if layer is not None:
                layer.weight.uniform_(-1 / joined, 1 / joined)
        self.latent.bias.uniform_(-1 / math.sqrt(joined), 1 / math.sqrt(joined))
        for linear in (*self.hidden, self.value):
            bound = math.sqrt(6 / linear.in_features) / self.omega_hidden
            linear.weight.uniform_(-bound, bound)
        for weight in self.shifts.parameters():  # small beside W·h, so that the coordinates set the frequencies
            bound = 0.5 / math.sqrt(self.latent_dim) / self.omega_hidden
            weight.uniform_(-bound, bound)
        if self.series is not None:
            self.series.reset_parameters()
            self.value.weight.zero_()
            self.value.bias.zero_()

    def forward(self, coords: Tensor, latent: Tensor, source: Tensor | None = None) -> Tensor:
        """Values (B, P, C) at coords (P, D) or (B, P, D) for latent (B, K) and source (B, P, S)."""
        values = self.sine_layers(coords, latent, source)
        return values if self.series is None else values + self.series(coords, latent)

    def sine_layers(
        self, coords: Tensor, latent: Tensor, source: Tensor | None = None, slopes: list[Tensor] | None = None
    ) -> Tensor:
        """The same without the Fourier series.

        Args:
            coords: (P, D) or (B, P, D).
            latent: (B, K).
            source: (B, P, S) or None.
            slopes: gets the cosine of each sine's argument, (B, P, width), if given.
        """

        def sine(phase: Tensor) -> Tensor:
            if slopes is not None:
                slopes.append(torch.cos(phase))
            return torch.sin(phase)

        # Phases are ω₀ times a position: eight bits of bfloat16 would blur them, so this stays float32.
        with torch.autocast(coords.device.type, enabled=False):
            signal = _scaled_linear(self.latent, latent, self.omega).unsqueeze(1)  # (B, 1, width)
            phase = _scaled_linear(self.coordinate, coords, self.omega) + signal  # (B, P, width)
            if self.source is not None:
                if source is None:
                    raise ValueError(f"this field takes a source (B, P, {self.source_channels}); got none")
                phase = phase + _scaled_linear(self.source, source, self.omega)
            hidden = sine(phase)
        for layer, shift in self._later_layers:
            phase = _scaled_linear(layer, hidden, self.omega_hidden)
            if shift is not None:
                phase = phase + _scaled_linear(shift, latent, self.omega_hidden).unsqueeze(1)
            hidden = sine(phase)
        values: Tensor = self.value(hidden)  # (B, P, C)
        return values

    def value_and_jacobian(self, coords: Tensor, latent: Tensor, source: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """F (B, P, C) and ∂F/∂z (B, P, C, K) at coords (P, D) or (B, P, D), latents (B, K) and source (B, P, S).

        The chain rule, from the values back: for h_l = sin(ω(W_l h_{l−1} + V_l z + b_l)) and values W h_L,
        g_L = W cos(·)_L and g_{l−1} = (g_l ωW_l) cos(·)_{l−1}, and ∂F/∂z is the sum of all g_l ωV_l.
        """
        slopes: list[Tensor] = []
        values = self.sine_layers(coords, latent, source, slopes)
        cotangent = slopes.pop().unsqueeze(2) * self.value.weight  # (B, P, C, width)
        parts = []  # (B, P, C, K) each
        for layer, shift in reversed(self._later_layers):
            if shift is not None:
                parts.append(cotangent @ (self.omega_hidden * shift.weight))
            cotangent = (cotangent @ (self.omega_hidden * layer.weight)) * slopes.pop().unsqueeze(2)
        with torch.autocast(coords.device.type, enabled=False):
            values, jacobian = values.to(latent.dtype), cotangent.to(latent.dtype) @ (self.omega * self.latent.weight)
            for part in parts:
                jacobian = jacobian + part.to(latent.dtype)
        if self.series is not None:
            values = values + self.series(coords, latent).to(latent.dtype)
            jacobian = jacobian + self.series.jacobian(coords, latent).to(latent.dtype)
        return values, jacobian


def _scaled_linear(layer: nn.Linear, inputs: Tensor, scale: float) -> Tensor:
    """The layer's output times `scale`, by scaling the weights, which are few, and not the rows."""
    bias = None if layer.bias is None else scale * layer.bias
    return functional.linear(inputs, scale * layer.weight, bias)
