"""How far a reconstruction is from its signal."""

from __future__ import annotations

__all__ = ["log_spectral_distance", "magnitudes", "psnr", "si_sdr", "snr", "ssim"]

import torch
from torch import Tensor
from torch.nn import functional


def psnr(mse: Tensor, span: float) -> Tensor:
    """Peak signal-to-noise ratio, 10 log₁₀(span² / mse), in dB.

    Args:
        mse: mean squared errors of any shape. Give each signal's for a mean of PSNRs, or their mean for
            the PSNR of the mean error; the first is never the smaller.
        span: highest less lowest value of the range.

    Example:
        >>> round(psnr(torch.tensor(0.01), span=1.0).item(), 6)
        20.0
    """
    return 10 * torch.log10(span**2 / mse)


def ssim(prediction: Tensor, target: Tensor, span: float, *, sigma: float = 1.5) -> Tensor:
    """Structural similarity, mean over positions and channels, at most 1.

    Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity (2004), with
    its 11-wide Gaussian window, narrowed where the grid is smaller, K₁ = 0.01, K₂ = 0.03, and values
    reflected at the border.

    Args:
        prediction: (B, C, H, W).
        target: (B, C, H, W).
        span: highest less lowest value of the range.
        sigma: of the window, in grid points.

    Returns:
        (B,).
    """
    size = min(11, *(2 * n - 1 for n in target.shape[-2:]))  # reflection reaches no further
    offset = torch.arange(size, dtype=target.dtype, device=target.device) - size // 2
    window = torch.softmax(-offset.square() / (2 * sigma**2), 0)
    kernel = torch.outer(window, window).expand(1, 1, size, size)

    def blur(x: Tensor) -> Tensor:
        wide = functional.pad(x.flatten(0, 1).unsqueeze(1), (size // 2,) * 4, mode="reflect")
        return functional.conv2d(wide, kernel)  # (B·C, 1, H, W)

    x, y = prediction, target
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    cov = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    per_signal: Tensor = likeness.unflatten(0, x.shape[:2]).mean((1, 2, 3, 4))
    return per_signal


def snr(prediction: Tensor, target: Tensor) -> Tensor:
    """Signal-to-noise ratio over the last axis, 10 log₁₀(Σx² / Σ(x̂ − x)²), in dB.

    Args:
        prediction: (..., P).
        target: (..., P).

    Returns:
        (...); infinite for an exact prediction.
    """
    return _ratio(target, prediction - target)


def si_sdr(prediction: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio over the last axis, in dB: a wrong loudness is no error.

    Le Roux et al., SDR — Half-baked or Well Done? (2019), without removing means.

    Args:
        prediction: (..., P).
        target: (..., P).
    """
    tiny = torch.finfo(target.dtype).eps
    gain = ((prediction * target).sum(-1, keepdim=True) + tiny) / (target.square().sum(-1, keepdim=True) + tiny)
    return _ratio(gain * target, prediction - gain * target)


def log_spectral_distance(prediction: Tensor, target: Tensor, size: int = 512, floor: float = 1e-4) -> Tensor:
    """Log-spectral distance in dB: between short-time spectra, root mean square over frequencies, mean over frames.

    Gray & Markel, Distance Measures for Speech Processing (1976).

    Args:
        prediction: (..., P).
        target: (..., P).
        size: of the Hann window, in points, cut to P; a quarter of it from frame to frame.
        floor: magnitude below which spectra count as equal, where white noise of deviation 1 has 1; 1e-4 is
            −80 dB, near the noise of 16-bit samples.
    """
    a, b = (20 * torch.log10(magnitudes(x, size).clamp_min(floor)) for x in (prediction, target))
    distance: Tensor = (a - b).square().mean(-2).sqrt().mean(-1)
    return distance


def magnitudes(values: Tensor, size: int) -> Tensor:
    """Short-time Fourier magnitudes (..., size/2 + 1, frames) of values (..., P), 1 for white noise of deviation 1.

    A Hann window of `size` points, cut to P, moves on by a quarter of itself; beyond the ends there is
    silence.
    """
    size = min(size, values.shape[-1])
    window = torch.hann_window(size, dtype=values.dtype, device=values.device)
    flat = values.reshape(-1, values.shape[-1])
    spectrum = torch.stft(
        flat, size, max(1, size // 4), window=window, center=True, pad_mode="constant", return_complex=True
    )
    power = torch.view_as_real(spectrum).square().sum(-1) / window.square().sum().clamp_min(1e-12)
    magnitude: Tensor = (power + 1e-12).sqrt().unflatten(0, values.shape[:-1])
    return magnitude


def _ratio(wanted: Tensor, unwanted: Tensor) -> Tensor:
    return 10 * torch.log10(wanted.square().sum(-1) / unwanted.square().sum(-1))
