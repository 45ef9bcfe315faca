"""A Fourier series whose coefficients are a function of the latent: a part of full bandwidth beside the sine layers.

    F(c ⊕ z) = SIREN(c, z) + Σ_w g_w(z) e_w(c),   g(z) = a + B z + V h(z)

The e_w are the cosines and sines of period 2 along every axis, lowest frequencies first, with the amplitude √(2/W), so
that values of order 1 have coefficients of order 1. The sum is defined at any point and resolution. h is a small sine
network of the latent alone: coefficients are computed once per signal, not once per point, and so cost little. Started
at the principal components of the training signals, with V = 0, a fresh network reconstructs about as principal
component analysis with K components does; what is not linear in the latent is learned on top.
"""

from __future__ import annotations

__all__ = ["FourierSeries", "fourier_basis"]

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product

import torch
from torch import Tensor, nn

from gonkit.batch import Batch

RIDGE = 1e-6  # of least squares, relative
FILLING_ROUNDS = 10  # of fitting components and filling in what was not observed by them


class FourierSeries(nn.Module):
    """Values whose Fourier coefficients depend on the latent; see the module's equation.

    Args:
        coord_dim: D.
        channels: C.
        latent_dim: K.
        size: W, number of basis functions; in one dimension, as many as a grid has points represent any signal on it.
        width: units of each of h's layers; 0 leaves coefficients affine in the latent.
        layers: of h.

    Example:
        >>> series = FourierSeries(coord_dim=1, channels=1, latent_dim=8, size=100)
        >>> series(torch.zeros(50, 1), torch.zeros(4, 8)).shape
        torch.Size([4, 50, 1])
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(
        self, coord_dim: int, channels: int, latent_dim: int, size: int, *, width: int = 512, layers: int = 2
    ) -> None:
        super().__init__()
        self.channels, self.latent_dim = channels, latent_dim
        frequencies, phases = fourier_basis(coord_dim, size)
        self.register_buffer("frequencies", frequencies, persistent=False)  # (W, D)
        self.register_buffer("phases", phases, persistent=False)  # (W,)
        self.affine = nn.Linear(latent_dim, size * channels)  # B, a
        widths = [latent_dim] + [width] * layers if width else []
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.value = nn.Linear(width, size * channels, bias=False) if width else None  # V
        self.reset_parameters()

    def extra_repr(self) -> str:
        return f"size={len(self.phases)}"

    @property
    def hidden_matrices(self) -> Iterator[nn.Parameter]:
        """The square matrices between h's layers."""
        return (weight for name, weight in self.hidden[1:].named_parameters() if name.endswith("weight"))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Starts near zero values, with a little of every latent in every coefficient."""
        bound = 1e-2 / math.sqrt(len(self.affine.weight))
        self.affine.weight.uniform_(-bound, bound)
        self.affine.bias.zero_()
        for layer in self.hidden:
            assert isinstance(layer, nn.Linear)
            layer.reset_parameters()
        if self.value is not None:
            self.value.weight.zero_()

    def basis(self, coords: Tensor) -> Tensor:
        """e_w(c) (..., P, W) at coords (..., P, D); in full precision, as phases are."""
        with torch.autocast(coords.device.type, enabled=False):
            argument = coords @ self.frequencies.T.to(coords) + self.phases.to(coords)
            return argument.sin() * math.sqrt(2 / len(self.phases))

    def coefficients(self, latent: Tensor) -> Tensor:
        """g(z) (B, W, C) of latents (B, K)."""
        coefficients: Tensor = self.affine(latent)  # (B, W·C)
        if self.value is not None:
            hidden = latent
            for layer in self.hidden:
                hidden = torch.sin(layer(hidden))
            coefficients = coefficients + self.value(hidden)
        return coefficients.view(len(latent), -1, self.channels)

    def forward(self, coords: Tensor, latent: Tensor) -> Tensor:
        """Values (B, P, C) at coords (P, D) or (B, P, D) for latents (B, K)."""
        return self._combine(coords, self.coefficients(latent))

    def jacobian(self, coords: Tensor, latent: Tensor) -> Tensor:
        """∂F/∂z (B, P, C, K) at coords (P, D) or (B, P, D), about latents (B, K).

        Tangents of all K latents go forward through h once per signal; points meet them in one product with the basis.
        """
        slope: Tensor = self.affine.weight.expand(len(latent), -1, -1)  # (B, W·C, K)
        if self.value is not None:
            hidden, tangent = latent, torch.eye(self.latent_dim).to(latent).expand(len(latent), -1, -1)
            for layer in self.hidden:
                assert isinstance(layer, nn.Linear)
                argument = layer(hidden)
                tangent = torch.cos(argument).unsqueeze(2) * (layer.weight @ tangent)  # (B, width, K)
                hidden = torch.sin(argument)
            slope = slope + self.value.weight @ tangent
        slope = slope.reshape(len(latent), len(self.phases), -1)  # (B, W, C·K)
        rows = self._combine(coords, slope)  # (B, P, C·K)
        return rows.view(*rows.shape[:2], self.channels, self.latent_dim)

    def _combine(self, coords: Tensor, weights: Tensor) -> Tensor:
        """Sums (B, P, n) of basis functions at coords (P, D) or (B, P, D) with weights (B, W, n)."""
        basis = self.basis(coords)
        if basis.ndim == 2:  # one product for all signals
            sums: Tensor = basis @ weights.movedim(0, 1).flatten(1)  # (P, B·n)
            return sums.view(len(basis), *weights.shape[::2]).movedim(1, 0)
        return torch.bmm(basis, weights)

    @torch.no_grad()
    def fit_components(self, batch: Batch, curvature: float) -> None:
        """Starts a and B at the mean and the principal components of signals' coefficients.

        Args:
            batch: training signals in network units.
            curvature: H that every latent is to have under the squared error; see `InnerStep.best_curvature`.
        """
        coefficients = self._coefficients(batch)
        mean, components = self._components(coefficients)
        self.affine.bias.copy_(mean)
        self.affine.weight[:, : components.shape[1]] = components * math.sqrt(curvature * len(self.phases) / 2)

    @torch.no_grad()
    def fit_latents(self, batch: Batch, latent: Tensor) -> None:
        """Starts a and B at the least-squares prediction of signals' coefficients from latents (B, K)."""
        joined = torch.cat((torch.ones_like(latent[:, :1]), latent), 1).double()
        gram = joined.T @ joined / len(joined)
        gram.diagonal().add_(RIDGE * gram.diagonal().mean())
        solved = torch.linalg.solve(gram, joined.T @ self._coefficients(batch).double() / len(joined))  # (1 + K, W·C)
        self.affine.bias.copy_(solved[0])
        self.affine.weight.copy_(solved[1:].T)

    def _coefficients(self, batch: Batch) -> Tensor:
        """Coefficients (B, W·C) of signals.

        On shared coordinates, what was not observed is filled in by the principal components of what was, in turns.
        """
        if batch.observed is None or not batch.shares_coords:
            return self._least_squares(batch)
        counts = batch.observed.sum(0).clamp_min(1)
        filled = batch.observed_values + (~batch.observed) * (batch.observed_values.sum(0) / counts)
        for _ in range(FILLING_ROUNDS):
            coefficients = self._least_squares(replace(batch, values=filled, mask=None))
            mean, components = self._components(coefficients)
            likely = mean + (coefficients - mean) @ components @ components.T
            filled = batch.values.where(
                batch.observed, self._combine(batch.coords, likely.unflatten(1, (-1, self.channels)))
            )
        return coefficients

    def _components(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (W·C,) and up to K principal components (W·C, K') of coefficients (B, W·C)."""
        mean = coefficients.mean(0)
        count = min(self.latent_dim, len(coefficients) - 1, len(mean))
        wide = min(count + 16, *coefficients.shape)
        return mean, torch.svd_lowrank(coefficients - mean, q=wide, niter=4)[2][:, :count]

    def _least_squares(self, batch: Batch) -> Tensor:
        """Coefficients (B, W·C) of signals, with a little ridge; unobserved points do not count."""
        basis, weights, values = (
            x.double() for x in (self.basis(batch.coords.double()), batch.point_weights, batch.observed_values)
        )
        solved = []
        for weight, part in zip(weights.split(1, 2), values.chunk(weights.shape[2], 2), strict=True):
            weighted = (basis * weight).mT
            gram = weighted @ basis  # (W, W) where signals share their observed points, else (B, W, W)
            gram.diagonal(dim1=-2, dim2=-1).add_(RIDGE / len(self.phases))
            solved.append(torch.linalg.solve(gram, weighted @ part))
        return torch.cat(solved, 2).flatten(1).to(batch.values)


def fourier_basis(dim: int, size: int) -> tuple[Tensor, Tensor]:
    """Frequencies (W, D) in radians per unit of coordinate, and phases (W,), of cosines and sines of period 2.

    The lowest ones, in order.

    Args:
        dim: D.
        size: W.

    Example:
        >>> fourier_basis(1, 3)[0].flatten() / torch.pi
        tensor([0., 1., 1.])
    """
    reach = math.ceil(size ** (1 / dim)) + 1
    half = [number for number in product(range(-reach, reach + 1), repeat=dim) if number > (0,) * dim]
    half.sort(key=lambda number: (sum(n * n for n in number), number))
    functions = [((0,) * dim, math.pi / 2)] + [(number, phase) for number in half for phase in (math.pi / 2, 0.0)]
    numbers, phases = zip(*functions[:size], strict=True)
    return math.pi * torch.tensor(numbers, dtype=torch.float32), torch.tensor(phases)
