"""Sounds as objects: their files, and how they are shown and measured."""

from __future__ import annotations

__all__ = ["AudioDisplay", "AudioFiles", "AudioMeasures", "Waveform"]

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from PIL import Image as pillow
from torch import Tensor

from gonkit.batch import Sample
from gonkit.data import Display, Measures, Metric, SignalFiles, SignalReader
from gonkit.errors import GonkitError
from gonkit.losses import clamped_log
from gonkit.metrics import log_spectral_distance, si_sdr, stft_magnitude
from signals.audio.files import (
    SUFFIXES,
    AudioReader,
    AudioWriter,
    fit_length,
    mix_to_mono,
    read_audio,
    require_sound,
    write_audio,
)

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

STFT_SIZE = 256  # points of the window for previews and classifier features
MIN_MAGNITUDE = 1e-4  # below which classifier features count as silent


@dataclass(frozen=True)
class Waveform:
    """A sound.

    Attributes:
        samples: (T, channels), full scale at ±1.
        rate: sampling rate, in Hz.
    """

    samples: Tensor
    rate: int


class SoundType(Protocol):
    """What files need to know of the signal type; see `signals.audio.Audio`."""

    @property
    def rate(self) -> int: ...

    @property
    def length(self) -> int: ...

    @property
    def clip(self) -> int | None: ...

    def to_object(self, values: Tensor, resolution: int | None = None) -> Waveform: ...

    def preview(self, obj: Waveform) -> pillow.Image: ...


class AudioFiles(SignalFiles):
    """Sound files, read and written with libsndfile."""

    read_suffixes: ClassVar[frozenset[str]] = SUFFIXES
    write_suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".float.wav")

    def __init__(self, signal: SoundType) -> None:
        super().__init__(signal.to_object, signal.preview)
        self.signal = signal

    def load(self, path: Path) -> Sample:
        samples = fit_length(read_audio(path, self.signal.rate, self.signal.clip), self.signal.length)
        return Sample(samples.unsqueeze(-1), name=path.stem)

    def inspect(self, path: Path) -> Mapping[str, str]:
        reader = AudioReader(path)
        channels = reader.read(reader.shape[0])[..., 0]
        require_sound(channels, reader.resolution, self.signal.rate, self.signal.clip, path)
        peak = channels.abs().max().item()
        loud = f"samples beyond full scale, up to {peak:.3g}: they are learned as they are; is it a file of ±1?"
        return {
            "seconds": f"{reader.shape[0] / reader.resolution:.2f}",
            "Hz": str(reader.resolution),
            "channels": str(reader.num_tracks),
            "peak": f"{peak:.3f}",
            "verdict": loud if peak > 1 else "good",
        }

    def from_object(self, obj: Any) -> Sample:
        """A `Waveform`, or samples (T,) or (channels, T) as a tensor or array and their rate in Hz."""
        if isinstance(obj, Waveform):
            obj = obj.samples.mT, obj.rate
        if not (isinstance(obj, tuple) and len(obj) == 2 and isinstance(obj[1], int) and obj[1] > 0):
            return super().from_object(obj)
        channels = torch.atleast_2d(torch.as_tensor(obj[0]))
        if channels.ndim != 2 or not channels.numel() or not channels.is_floating_point():
            raise GonkitError(
                f"samples must be floating-point numbers (T,) or (channels, T), full scale at 1; got {channels.dtype} "
                f"{tuple(channels.shape)}"
            )
        if not channels.isfinite().all():
            raise GonkitError("samples that are not finite (NaN or infinity)")
        samples = mix_to_mono(channels.float(), obj[1], self.signal.rate, "samples")
        return Sample(fit_length(samples, self.signal.length).unsqueeze(-1))

    def save(self, obj: Waveform, stem: Path, suffix: str | None = None) -> Path:
        path = self.path(stem, suffix)
        write_audio(path, obj.samples, obj.rate)
        return path

    def open(self, path: Path) -> AudioReader:
        return AudioReader(path)

    def create(self, stem: Path, reader: SignalReader, resolution: int, suffix: str | None = None) -> AudioWriter:
        return AudioWriter(self.path(stem, suffix), resolution, reader.num_tracks)


class AudioDisplay(Display):
    """Shows a player beside the spectrogram."""

    preview_is_complete: ClassVar[bool] = False

    def html(self, path: str, preview: pillow.Image) -> str:
        return f'<audio controls preload="none" src="{escape(path)}"></audio>'

    def log(self, writer: SummaryWriter, tag: str, obj: Waveform, step: int) -> None:
        peak = max(1.0, obj.samples.abs().max().item())
        writer.add_audio(tag, obj.samples.mT / peak, step, sample_rate=obj.rate)


class AudioMeasures(Measures):
    """Adds scale-invariant SDR and log-spectral distance, both in dB."""

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "si_sdr": lambda prediction, values: si_sdr(prediction[..., 0], values[..., 0]),
            "lsd": lambda prediction, values: log_spectral_distance(prediction[..., 0], values[..., 0]),
        }

    def classifier_features(self, values: Tensor) -> Tensor:
        """Log magnitudes (B, frequencies, frames, C), from log 1e-4 up; white noise of standard deviation 1 has 0."""
        return clamped_log(stft_magnitude(values.mT, STFT_SIZE), MIN_MAGNITUDE).movedim(1, -1)
