"""The loss on mel spectra."""

from __future__ import annotations

import torch
from torchaudio.transforms import MelSpectrogram

from gonkit.batch import Batch, Prediction
from signals.audio import LogMelLoss
from tests.signals.audio.conftest import RATE


def log_mel_loss(loss: LogMelLoss, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    batch = Batch(torch.linspace(-1, 1, target.shape[1]).unsqueeze(1), target)
    return loss(Prediction(prediction, torch.zeros(len(target), 1)), batch)


def test_log_mel_is_that_of_torchaudio() -> None:
    x, y = torch.randn(2, 3, 2000, 1, generator=torch.Generator().manual_seed(0)) * 0.3
    loss = LogMelLoss(RATE, bands=20, size=256)
    window = torch.hann_window(256)
    mel = MelSpectrogram(RATE, n_fft=256, hop_length=64, n_mels=20, pad_mode="constant")
    powers = (mel(one[..., 0]) / window.square().sum() for one in (x, y))
    a, b = (power.clamp_min(loss.floor).log() for power in powers)
    torch.testing.assert_close(log_mel_loss(loss, x, y), (a - b).abs().mean((1, 2)), rtol=1e-4, atol=1e-5)


def test_log_mel_ignores_what_is_below_its_floor() -> None:
    quiet = torch.randn(1, 2000, 1, generator=torch.Generator().manual_seed(0)) * 1e-3  # power 1e-6
    loss = LogMelLoss(RATE)
    assert log_mel_loss(loss, quiet, torch.zeros_like(quiet)).item() < 1e-4
    assert log_mel_loss(loss, 100 * quiet, torch.zeros_like(quiet)).item() > 0.5
