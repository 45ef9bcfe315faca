"""Metrics against torchmetrics, and paths between latents."""

from __future__ import annotations

import math

import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio, signal_noise_ratio
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from gonkit.latents import slerp
from gonkit.metrics import log_spectral_distance, magnitudes, psnr, si_sdr, snr, ssim


@pytest.mark.parametrize("span", [1.0, 2.0, 255.0])
def test_psnr_against_torchmetrics(span: float) -> None:
    x, y = torch.rand(2, 4, 3, 16, 16) * span
    torch.testing.assert_close(psnr((x - y).square().mean(), span), peak_signal_noise_ratio(x, y, data_range=span))


def test_the_mean_of_psnrs_is_never_below_the_psnr_of_the_mean() -> None:
    mse = torch.rand(50) + 0.01
    assert psnr(mse, 1.0).mean() >= psnr(mse.mean(), 1.0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("span", [1.0, 4.0])
def test_ssim_against_torchmetrics(channels: int, span: float) -> None:
    x = torch.rand(5, channels, 28, 32) * span
    y = (x + 0.2 * span * torch.randn_like(x)).clamp(0, span)
    theirs = structural_similarity_index_measure(x, y, data_range=span, reduction="none")
    torch.testing.assert_close(ssim(x, y, span), theirs, atol=1e-5, rtol=1e-4)


def test_ssim_of_itself_is_one_and_of_anything_no_more() -> None:
    x, y = torch.rand(2, 6, 1, 8, 8)
    torch.testing.assert_close(ssim(x, x, 1.0), torch.ones(6))
    assert (ssim(x, y, 1.0) < 1).all()
    torch.testing.assert_close(ssim(x, y, 1.0), ssim(y, x, 1.0))


def test_slerp_keeps_length_and_turns_evenly() -> None:
    a, b = torch.nn.functional.normalize(torch.randn(2, 6, 9, dtype=torch.float64), dim=-1)
    path = slerp(a, b, torch.linspace(0, 1, 5, dtype=torch.float64))
    assert path.shape == (6, 5, 9)
    torch.testing.assert_close(path[:, 0], a)
    torch.testing.assert_close(path[:, -1], b)
    torch.testing.assert_close(path.norm(dim=-1), torch.ones(6, 5, dtype=torch.float64))
    turns = (path[:, 1:] * path[:, :-1]).sum(-1).arccos()
    torch.testing.assert_close(turns, (a * b).sum(-1).arccos().unsqueeze(1).expand(-1, 4) / 4)


@pytest.mark.parametrize(
    ("a", "b", "middle"),
    [([2.0, 0.0], [2.0, 0.0], [2.0, 0.0]), ([1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]), ([0.0, 0.0], [4.0, 0.0], [2.0, 0.0])],
)
def test_where_there_is_no_great_circle_the_way_is_straight(
    a: list[float], b: list[float], middle: list[float]
) -> None:
    found = slerp(torch.tensor(a), torch.tensor(b), torch.tensor([0.5]))
    torch.testing.assert_close(found[0], torch.tensor(middle))


def test_slerp_passes_through_lengths_evenly() -> None:
    path = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0]), torch.tensor([0.5]))
    assert path[0].norm().item() == pytest.approx(2.0)
    assert math.degrees(math.atan2(path[0, 1].item(), path[0, 0].item())) == pytest.approx(45.0)


def test_snr_and_si_sdr_against_torchmetrics() -> None:
    x = torch.randn(6, 400)
    y = 0.7 * x + 0.2 * torch.randn_like(x)
    torch.testing.assert_close(snr(y, x), signal_noise_ratio(y, x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(si_sdr(y, x), scale_invariant_signal_distortion_ratio(y, x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(si_sdr(5 * y, x), si_sdr(y, x), atol=1e-4, rtol=1e-4)


def test_log_spectral_distance_of_a_quieter_copy_is_the_difference_in_level() -> None:
    x = torch.randn(3, 4000)
    torch.testing.assert_close(log_spectral_distance(x / 10, x), torch.full((3,), 20.0), atol=1e-3, rtol=0)
    assert log_spectral_distance(x, x).tolist() == [0, 0, 0]
    assert log_spectral_distance(torch.zeros(1, 50), torch.zeros(1, 50)).item() == 0


def test_white_noise_has_magnitude_one() -> None:
    power = magnitudes(torch.randn(8, 20_000, generator=torch.Generator().manual_seed(0)), 256).square()
    assert power[:, 2:-2, 4:-4].mean().item() == pytest.approx(1, abs=0.02)
