"""Metrics of reconstructions, against torchmetrics and formulas."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio, signal_noise_ratio
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from gonkit.batch import Batch
from gonkit.metrics import batch_mse, log_spectral_distance, psnr, si_sdr, snr, ssim, stft_magnitude


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_mean_squared_error_is_over_observed_points_and_channels() -> None:
    prediction, values = torch.randn(2, 3, 5, 2)
    mask = torch.rand(3, 5) > 0.5
    mask[:, 0] = True
    spoilt = values.where(mask.unsqueeze(-1), torch.nan)
    expected = torch.stack([(prediction[b, mask[b]] - values[b, mask[b]]).square().mean() for b in range(3)])
    torch.testing.assert_close(batch_mse(prediction, Batch(torch.zeros(5, 1), spoilt, mask)), expected)
    whole = batch_mse(prediction, Batch(torch.zeros(5, 1), values))
    torch.testing.assert_close(whole, (prediction - values).square().mean((1, 2)))


@pytest.mark.parametrize("data_range", [1.0, 2.0, 255.0])
def test_psnr_against_torchmetrics(data_range: float) -> None:
    x, y = torch.rand(2, 4, 3, 16, 16) * data_range
    theirs = peak_signal_noise_ratio(x, y, data_range=data_range)
    torch.testing.assert_close(psnr((x - y).square().mean(), data_range), theirs)


def test_the_mean_of_psnrs_is_never_below_the_psnr_of_the_mean() -> None:
    mse = torch.rand(50) + 0.01
    assert psnr(mse, 1.0).mean() >= psnr(mse.mean(), 1.0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("data_range", [1.0, 4.0])
def test_ssim_against_torchmetrics(channels: int, data_range: float) -> None:
    x = torch.rand(5, channels, 28, 32) * data_range
    y = (x + 0.2 * data_range * torch.randn_like(x)).clamp(0, data_range)
    theirs = structural_similarity_index_measure(x, y, data_range=data_range, reduction="none")
    torch.testing.assert_close(ssim(x, y, data_range), theirs, atol=1e-5, rtol=1e-4)


def test_ssim_of_itself_is_one_and_of_anything_else_less() -> None:
    x, y = torch.rand(2, 6, 1, 8, 8)
    torch.testing.assert_close(ssim(x, x, 1.0), torch.ones(6))
    assert (ssim(x, y, 1.0) < 1).all()
    torch.testing.assert_close(ssim(x, y, 1.0), ssim(y, x, 1.0))


def test_snr_and_si_sdr_against_torchmetrics() -> None:
    x = torch.randn(6, 400)
    y = 0.7 * x + 0.2 * torch.randn_like(x)
    ours = snr(x.square().sum(-1), (y - x).square().sum(-1))
    torch.testing.assert_close(ours, signal_noise_ratio(y, x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(si_sdr(y, x), scale_invariant_signal_distortion_ratio(y, x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(si_sdr(5 * y, x), si_sdr(y, x), atol=1e-4, rtol=1e-4)


def test_log_spectral_distance_of_a_quieter_copy_is_the_difference_in_level() -> None:
    x = torch.randn(3, 4000, generator=torch.Generator().manual_seed(1))
    assert stft_magnitude(x / 10, 512).min() > 1e-4  # everything is above the floor
    torch.testing.assert_close(log_spectral_distance(x / 10, x), torch.full((3,), 20.0), atol=1e-3, rtol=0)
    assert log_spectral_distance(x, x).tolist() == [0, 0, 0]  # the same call twice
    assert log_spectral_distance(torch.zeros(1, 50), torch.zeros(1, 50)).item() == 0


def test_white_noise_has_magnitude_one() -> None:
    power = stft_magnitude(torch.randn(8, 20_000, generator=torch.Generator().manual_seed(0)), 256).square()
    assert power[:, 2:-2, 4:-4].mean().item() == pytest.approx(1, abs=0.02)
