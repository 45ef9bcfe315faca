"""How far a reconstruction is from its signal."""

from __future__ import annotations

__all__ = ["psnr", "ssim"]

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
