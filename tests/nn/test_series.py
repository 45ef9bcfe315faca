"""The Fourier series beside the sine layers: its derivative, its start, and every way of encoding through it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.losses import MSELoss
from gonkit.nn import GON, DampedStep, FourierSeries, GradientStep, InnerStep, Siren, linearize
from gonkit.nn.series import fourier_basis

K = 4


def grid(points: int) -> Tensor:
    return (2 * torch.arange(points) / points - 1).unsqueeze(1)


def field(dim: int = 1, channels: int = 1, size: int = 21, width: int = 8) -> Siren:
    torch.manual_seed(0)
    series = FourierSeries(dim, channels, K, size, width=width)
    siren = Siren(dim, channels, K, width=12, layers=2, latent_layers="all", series=series)
    with torch.no_grad():
        for weight in siren.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return siren.double()


def low_rank(count: int, points: int, rank: int = K) -> Batch:
    """Signals of `rank` dimensions about a mean, with decaying variance."""
    generator = torch.Generator().manual_seed(0)
    shapes = torch.linalg.qr(torch.randn(points, rank, generator=generator))[0].T * math.sqrt(points)
    weights = torch.randn(count, rank, generator=generator) * 0.7 ** torch.arange(rank)
    return Batch(grid(points), (0.3 + weights @ shapes).unsqueeze(-1))


@pytest.mark.parametrize(("dim", "size"), [(1, 20), (1, 9), (2, 13), (3, 27)])
def test_the_basis_is_orthogonal_on_a_grid_that_is_fine_enough(dim: int, size: int) -> None:
    points = torch.cartesian_prod(*[grid(20)[:, 0]] * dim).view(-1, dim).double()
    gram = FourierSeries(dim, 1, K, size).basis(points)
    gram = gram.T @ gram / len(points) * size / 2
    expected = torch.full((size,), 0.5, dtype=torch.float64)
    expected[0] = 1.0
    if (dim, size) == (1, 20):  # the highest cosine alternates between the grid's points
        expected[-1] = 1.0
    assert torch.allclose(gram, expected.diag(), atol=1e-5)


def test_frequencies_come_lowest_first() -> None:
    frequencies, _ = fourier_basis(3, 200)
    length = frequencies.norm(dim=1)
    assert (length.diff() >= -1e-5).all()
    assert length[0] == 0


@pytest.mark.parametrize("width", [0, 8])
@pytest.mark.parametrize("own_points", [False, True])
def test_the_jacobian_is_autograd_s(width: int, own_points: bool) -> None:
    siren = field(dim=2, channels=3, width=width)
    assert siren.series is not None
    generator = torch.Generator().manual_seed(1)
    latent = torch.randn(5, K, generator=generator).double()
    coords = torch.rand(*((5, 7) if own_points else (7,)), 2, generator=generator).double()
    whole = torch.func.jacrev(lambda z: siren(coords, z))(latent)  # (B, P, C, B, K)
    expected = torch.stack([whole[b, :, :, b] for b in range(5)])
    assert torch.allclose(linearize(siren, coords, latent).jacobian, expected, atol=1e-10)
    assert torch.allclose(linearize(siren, coords, latent).values, siren(coords, latent), atol=1e-12)


@pytest.mark.parametrize("step", [GradientStep(0.5), DampedStep(2.0)])
@pytest.mark.parametrize("own_points", [False, True])
def test_gradients_of_training_are_those_of_one_piece_and_of_chunks(step: InnerStep, own_points: bool) -> None:
    siren = field()
    batch = low_rank(6, 24).to(dtype=torch.float64)
    if own_points:
        batch = Batch(batch.coords.expand(6, -1, -1).clone(), batch.values)
    gon = GON(siren, MSELoss(), step).double()
    gradients = []
    for max_points in (None, 30):
        prediction = gon(batch, max_points=max_points)
        loss = (prediction.values - batch.values).square().mean()
        gradients.append(torch.autograd.grad(loss, list(gon.parameters())))
    for whole, chunked in zip(*gradients, strict=True):
        assert torch.allclose(whole, chunked, rtol=1e-8, atol=1e-12)


def test_a_latent_s_gradient_passes_gradcheck() -> None:
    siren = field(size=5, width=3)
    latent = torch.randn(2, K, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: siren(grid(6).double(), z), (latent,))
    assert torch.autograd.gradgradcheck(lambda z: siren(grid(6).double(), z), (latent,))


@pytest.mark.parametrize("step", [GradientStep(12.25), DampedStep(1.0), DampedStep(1000.0)])
@pytest.mark.parametrize("kind", ["shared", "own", "masked"])
def test_a_fresh_network_reconstructs_signals_of_k_dimensions(step: InnerStep, kind: str) -> None:
    """As principal component analysis does; the damping takes a tenth of a latent away, or less where it is weak."""
    batch = low_rank(40, 33)
    if kind == "own":
        batch = Batch(batch.coords.expand(40, -1, -1).clone(), batch.values)
    if kind == "masked":
        batch = batch.with_mask(torch.arange(33).expand(40, -1) % 7 != 3)
    torch.manual_seed(0)
    series = FourierSeries(1, 1, K, 25 if kind == "masked" else 33)
    gon = GON(Siren(1, 1, K, width=12, layers=2, series=series), MSELoss(), step)
    series.fit_components(batch, step.best_curvature)
    error = gon.decode(gon.encode(batch), batch.coords) - batch.values
    variance = (batch.values - batch.values.mean(0)).square()
    if batch.mask is not None:
        error, variance = error[batch.mask], variance[batch.mask]
    allowed = 0.001 if step == DampedStep(1000.0) else 0.02
    if kind == "masked":  # 25 functions do not hold what 33 points do
        allowed = 0.3
    assert error.square().mean() < allowed * variance.mean()


def test_what_was_not_observed_is_filled_in_before_a_fresh_network_starts() -> None:
    batch, step = low_rank(60, 33), DampedStep(1000.0)
    mask = torch.rand(batch.values.shape[:2], generator=torch.Generator().manual_seed(1)) < 0.7
    errors = []
    for data in (batch, replace(batch, values=batch.values.where(mask.unsqueeze(2), torch.nan), mask=mask)):
        torch.manual_seed(0)
        series = FourierSeries(1, 1, K, 60)  # more functions than points
        gon = GON(Siren(1, 1, K, width=12, layers=2, series=series), MSELoss(), step)
        series.fit_components(data, step.best_curvature)
        error = gon.decode(gon.encode(data), batch.coords) - batch.values
        errors.append(error.square().mean().item() / batch.values.var().item())
    assert errors[0] < 1e-3
    assert errors[1] < 2e-2


def test_coefficients_of_channels_that_are_observed_at_points_of_their_own() -> None:
    single = low_rank(6, 33)
    values = torch.cat((single.values, -2 * single.values), 2)
    mask = torch.rand(values.shape, generator=torch.Generator().manual_seed(0)) < 0.9
    series = FourierSeries(1, 2, K, 9)
    both = series._least_squares(Batch(single.coords, values.where(mask, torch.nan), mask)).view(6, 9, 2)
    for channel in range(2):
        one = Batch(single.coords, values[..., channel, None], mask[..., channel])
        torch.testing.assert_close(both[..., channel], FourierSeries(1, 1, K, 9)._least_squares(one).view(6, 9))


def test_a_fresh_network_is_as_good_as_principal_components_with_as_many_latents() -> None:
    """On a plane, with a spectrum that falls by five orders of magnitude, and more latents than matter."""
    centers = (torch.arange(8) + 0.5) / 4 - 1
    generator = torch.Generator().manual_seed(4)
    signals = torch.randn(200, 64, generator=generator) * torch.logspace(0, -2.5, 64)
    signals = signals @ torch.linalg.qr(torch.randn(64, 64, generator=generator))[0] / 0.2
    batch = Batch(torch.cartesian_prod(centers, centers), signals.unsqueeze(2))
    field = Siren(2, 1, 40, width=12, layers=2, series=FourierSeries(2, 1, 40, 100))
    step = DampedStep(1000.0)
    gon = GON(field, MSELoss(), step)
    assert field.series is not None
    field.series.fit_components(batch, step.best_curvature)
    error = (gon.decode(gon.encode(batch), batch.coords) - batch.values).square().mean()
    left = torch.linalg.svdvals(signals - signals.mean(0))[40:].square().sum() / signals.numel()
    assert left < error < 1.2 * left


def test_latents_of_another_field_start_it_by_least_squares() -> None:
    batch = low_rank(40, 33)
    latent = torch.randn(40, K, generator=torch.Generator().manual_seed(2))
    target = Batch(
        batch.coords, (1 + latent @ torch.randn(K, 33, generator=torch.Generator().manual_seed(3))).unsqueeze(2)
    )
    series = FourierSeries(1, 1, K, 33)
    series.fit_latents(target, latent)
    assert torch.allclose(series(target.coords, latent), target.values, atol=1e-3)


def test_it_is_defined_at_any_resolution() -> None:
    siren = field()
    latent = torch.randn(2, K, dtype=torch.float64)
    assert torch.allclose(siren(grid(60).double(), latent)[:, ::3], siren(grid(20).double(), latent), atol=1e-10)
