"""Errors of a reconstruction: power ratios in dB, structural similarity, distances of spectra."""

from __future__ import annotations

__all__ = ["batch_mse", "log_spectral_distance", "psnr", "si_sdr", "snr", "ssim", "stft_magnitude"]

import torch
from torch import Tensor
from torch.nn import functional

from gonkit.batch import Batch


def batch_mse(prediction: Tensor, batch: Batch) -> Tensor:
    """(B,) mean squared error of each signal over its observed points, mean over those of its channels that have any.

    NaN for a signal of which nothing was observed.

    Args:
        prediction: (B, P, C).
        batch: B signals.

    Example:
        >>> mask = torch.tensor([[True, False], [True, True]])
        >>> batch = Batch(torch.zeros(2, 1), torch.tensor([[[1.0], [torch.nan]], [[1.0], [3.0]]]), mask)
        >>> batch_mse(torch.zeros(2, 2, 1), batch).tolist()
        [1.0, 5.0]
    """
    squares = (prediction - batch.values).square()
    if batch.observed is None:
        return squares.mean((1, 2))
    means = (squares.where(batch.observed, 0.0) * batch.point_weights).sum(1)  # (B, C); unobserved values may be NaN
    return means.where(batch.observed.any(1), torch.nan).nanmean(1)


def psnr(mse: Tensor, data_range: float) -> Tensor:
    """Peak signal-to-noise ratio, 10 log₁₀(data_range² / mse), in dB.

    Args:
        mse: mean squared errors of any shape. Pass each signal's own for the mean of their PSNRs, or their mean for
            the PSNR of the mean error; the first is never smaller.
        data_range: highest minus lowest value of the signal type.

    Example:
        >>> round(psnr(torch.tensor(0.01), data_range=1.0).item(), 6)
        20.0
    """
    return 10 * torch.log10(data_range**2 / mse)


def snr(power: Tensor, error: Tensor) -> Tensor:
    """Signal-to-noise ratio, 10 log₁₀(power / error), in dB; infinite for an error of zero.

    Args:
        power: sums or means of squared values x², of any shape.
        error: sums or means of squared errors (x̂ − x)², over the same axes.

    Example:
        >>> snr(torch.tensor(100.0), torch.tensor(1.0)).item()
        20.0
    """
    return 10 * torch.log10(power / error)


def ssim(prediction: Tensor, target: Tensor, data_range: float, *, sigma: float = 1.5) -> Tensor:
    """Structural similarity, mean over positions and channels, at most 1.

    Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity (2004), with its Gaussian
    window of width 11, narrower on small grids, K₁ = 0.01, K₂ = 0.03, and values reflected at the border.

    Args:
        prediction: (B, C, H, W).
        target: (B, C, H, W).
        data_range: highest minus lowest value of the signal type.
        sigma: of the window, in grid points.

    Returns:
        (B,).
    """
    size = min(11, *(2 * n - 1 for n in target.shape[-2:]))  # what reflection allows
    offset = torch.arange(size, dtype=target.dtype, device=target.device) - size // 2
    window = torch.softmax(-offset.square() / (2 * sigma**2), 0)
    kernel = torch.outer(window, window).expand(1, 1, size, size)

    def blur(x: Tensor) -> Tensor:
        padded = functional.pad(x.flatten(0, 1).unsqueeze(1), (size // 2,) * 4, mode="reflect")
        return functional.conv2d(padded, kernel)  # (B·C, 1, H, W)

    x, y = prediction, target
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    cov = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    per_signal: Tensor = similarity.unflatten(0, x.shape[:2]).mean((1, 2, 3, 4))
    return per_signal


def si_sdr(prediction: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio over the last axis, in dB: a wrong gain is no error.

    Le Roux et al., SDR — Half-baked or Well Done? (2019), without subtracting means.

    Args:
        prediction: (..., P).
        target: (..., P).
    """
    eps = torch.finfo(target.dtype).eps
    gain = ((prediction * target).sum(-1, keepdim=True) + eps) / (target.square().sum(-1, keepdim=True) + eps)
    scaled = gain * target
    return snr(scaled.square().sum(-1), (prediction - scaled).square().sum(-1))


def log_spectral_distance(prediction: Tensor, target: Tensor, size: int = 512, floor: float = 1e-4) -> Tensor:
    """Log-spectral distance of short-time spectra in dB: root mean square over frequencies, mean over frames.

    Gray & Markel, Distance Measures for Speech Processing (1976).

    Args:
        prediction: (..., P).
        target: (..., P).
        size: of the Hann window, in points, at most P; the hop is a quarter of it.
        floor: magnitude below which spectra count as equal; white noise of standard deviation 1 has magnitude 1, so
            that 1e-4 is −80 dB, near the noise of 16-bit samples.
    """
    a, b = (20 * torch.log10(stft_magnitude(x, size).clamp_min(floor)) for x in (prediction, target))
    distance: Tensor = (a - b).square().mean(-2).sqrt().mean(-1)
    return distance


def stft_magnitude(values: Tensor, size: int, hops: int = 4) -> Tensor:
    """Short-time Fourier magnitudes (..., size/2 + 1, frames) of values (..., P).

    Scaled so that the expected squared magnitude of white noise of standard deviation 1 is 1. The Hann window has
    `size` points, at most P, and moves in `hops` hops over its own size; values beyond the ends count as zero.
    """
    size = min(size, values.shape[-1])
    window = torch.hann_window(size, dtype=values.dtype, device=values.device)
    flat = values.reshape(-1, values.shape[-1])
    spectrum = torch.stft(
        flat, size, max(1, size // hops), window=window, center=True, pad_mode="constant", return_complex=True
    )
    power = torch.view_as_real(spectrum).square().sum(-1) / window.square().sum().clamp_min(1e-12)
    magnitude: Tensor = (power + 1e-12).sqrt().unflatten(0, values.shape[:-1])
    return magnitude
