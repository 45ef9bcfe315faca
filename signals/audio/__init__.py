"""Audio: mono sound, as short clips with one latent each or as windows of long recordings."""

from __future__ import annotations

from signals.audio.components import AudioDisplay, AudioFiles, AudioMeasures, Waveform
from signals.audio.files import AudioReader, AudioWriter, read_audio, read_segment, resampled_length, write_audio
from signals.audio.losses import LogMelLoss
from signals.audio.recordings import Recording
from signals.audio.signal import Audio

__all__ = [
    "Audio",
    "AudioDisplay",
    "AudioFiles",
    "AudioMeasures",
    "AudioReader",
    "AudioWriter",
    "LogMelLoss",
    "Recording",
    "Waveform",
    "read_audio",
    "read_segment",
    "resampled_length",
    "write_audio",
]
