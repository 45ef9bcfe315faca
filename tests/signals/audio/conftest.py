"""Sound files for tests."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
import soundfile
import torch

RATE = 8000  # Hz


def write_tone(path: Path, seconds: float = 0.3, rate: int = RATE, hertz: float = 300.0, channels: int = 1) -> Path:
    """Writes a decaying sine; all channels are equal."""
    time = torch.arange(int(seconds * rate)) / rate
    wave = 0.5 * torch.sin(2 * math.pi * hertz * time) * torch.exp(-time)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave.unsqueeze(1).repeat(1, channels).numpy(), rate)
    return path


def write_broken(folder: Path) -> dict[str, Path]:
    """Writes files that cannot be used; returns them by the words of the message that says why."""
    files = {}
    content = write_tone(folder / "whole.wav").read_bytes()
    for reason, data in {
        "cut short": content[: len(content) // 2],
        "cannot be read as sound": b"just some words\n",
        "holds no samples": content[:40] + struct.pack("<I", 0),
    }.items():
        files[reason] = folder / f"{reason.replace(' ', '_')}.wav"
        files[reason].write_bytes(data)
    (folder / "whole.wav").unlink()
    nan = torch.zeros(800)
    nan[400] = math.nan
    soundfile.write(folder / "nan.wav", nan.numpy(), RATE, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", torch.zeros(800).numpy(), RATE)
    return files | {"not finite": folder / "nan.wav", "samples are zero": folder / "silent.wav"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixteen recordings, named by label, speaker and take."""
    for number in range(8):
        for speaker in ("ann", "bob"):
            label = ("low", "high")[number % 2]
            write_tone(tmp_path / "sounds" / f"{label}_{speaker}_{number}.wav", hertz=200 + 100 * number)
    return tmp_path / "sounds"
