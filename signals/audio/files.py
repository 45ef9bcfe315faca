"""Sound files: read whole or in segments, and checked; written without clipping."""

from __future__ import annotations

__all__ = [
    "SUFFIXES",
    "AudioReader",
    "AudioWriter",
    "fit_length",
    "mix_to_mono",
    "read_audio",
    "read_segment",
    "require_sound",
    "resampled_length",
    "write_audio",
]

import math
import struct
import sys
import tempfile
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from gonkit.data import SignalReader, SignalWriter
from gonkit.errors import GonkitError, reading
from gonkit.files import atomic_path
from gonkit.limits import MAX_FILTER, MAX_VALUES, require_at_most

FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "W64"})
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".caf", ".w64"})
CANCELLED = 1e-3  # share of the channels' power below which their mean is what is left of opposite phases
SILENCE = 1e-4  # peak, -80 dB, below which a clip holds nothing
BLOCK_SIZE = 1 << 18  # frames copied at a time
RESAMPLE_MARGIN = 8  # samples of the lower rate that resampling looks to either side; its window is 6 wide


def read_audio(path: Path, rate: int, clip: int | None = None) -> Tensor:
    """A recording (T,), mixed down to mono and resampled to `rate` Hz.

    Args:
        path: of the file.
        rate: in Hz.
        clip: how many samples of it are used, from its beginning; None for all.

    Raises:
        GonkitError: unreadable, cut short, empty, silent where it is used, with channels that cancel each other, or
            with samples that are not finite.
    """
    reader = AudioReader(path)
    return require_sound(reader.read(reader.shape[0])[..., 0], reader.resolution, rate, clip, path)


def require_sound(channels: Tensor, native_rate: int, rate: int, clip: int | None, path: Path) -> Tensor:
    """What `read_audio` returns, of a file's channels (C, T) at `native_rate` Hz.

    Raises:
        GonkitError: silent where it is used, or channels that cancel each other.
    """
    samples = mix_to_mono(channels, native_rate, rate, str(path))
    if samples[:clip].abs().max() < SILENCE:
        raise GonkitError(
            f"{path}: its first {len(samples[:clip]) / rate:g} s are silent, and no more of it is used; cut the "
            "silence off, or set signal.windows = true"
        )
    return samples


def mix_to_mono(channels: Tensor, native_rate: int, rate: int, name: str) -> Tensor:
    """Samples (T,) at `rate` Hz of channels (C, T) at `native_rate` Hz; `name` is for messages.

    Raises:
        GonkitError: silent throughout, or channels that cancel each other.
    """
    samples = channels.mean(0)
    if not channels.any():
        raise GonkitError(f"{name}: all {len(samples)} samples are zero: a silent recording has nothing to learn from")
    if samples.square().mean() < CANCELLED * channels.square().mean():
        raise GonkitError(
            f"{name}: its {len(channels)} channels have opposite phases and cancel each other when they are mixed down "
            "to mono; invert or remove one of them"
        )
    mono: Tensor = samples if native_rate == rate else _resample(samples, native_rate, rate, name)
    return mono


def _resample(samples: Tensor, native_rate: int, rate: int, name: str) -> Tensor:
    """Samples (T',) at `rate` Hz of those (T,) at `native_rate` Hz; `name` is for messages.

    Raises:
        GonkitError: rates whose filter, one phase for each sample of their common period, would be too large.
    """
    from torchaudio.functional import resample

    divisor = math.gcd(native_rate, rate)
    size = (native_rate // divisor) * (rate // divisor)
    place = f"{name}: resampling from {native_rate:,} to {rate:,} Hz"
    require_at_most(place, size, MAX_FILTER, "numbers of a filter", f"set signal.rate = {native_rate}, or convert it")
    resampled: Tensor = resample(samples, native_rate, rate)
    return resampled


def resampled_length(path: Path, rate: int) -> int:
    """Number of samples that `read_audio` would return, from the file's header.

    Raises:
        GonkitError: unreadable, shorter than its header says, or empty.
    """
    reader = AudioReader(path)
    return -(-reader.shape[0] * rate // reader.resolution)


def read_segment(path: Path, start: int, count: int, rate: int) -> Tensor:
    """Samples `start` to `start + count` of `read_audio(path, rate)`, zero beyond its end, without reading all of it.

    Raises:
        GonkitError: unreadable, cut short, or with samples that are not finite.
    """
    reader = AudioReader(path)
    divisor = math.gcd(reader.resolution, rate)
    native, target = reader.resolution // divisor, rate // divisor  # `native` frames last as long as `target` samples
    margin = -(-RESAMPLE_MARGIN // min(native, target))  # in units of that duration
    first = max(0, start // target - margin)
    last = min(reader.shape[0], (-(-(start + count) // target) + margin) * native)
    reader.skip(first * native)
    samples = reader.read(max(0, last - first * native))[..., 0].mean(0)
    mono = samples if native == target else _resample(samples, reader.resolution, rate, str(path))
    return fit_length(mono[start - first * target :], count)


def fit_length(samples: Tensor, length: int) -> Tensor:
    """The first `length` samples, padded with zeros if there are fewer.

    Example:
        >>> fit_length(torch.ones(2), 3), fit_length(torch.ones(9), 3)
        (tensor([1., 1., 0.]), tensor([1., 1., 1.]))
    """
    return torch.nn.functional.pad(samples[:length], (0, max(0, length - len(samples))))


class AudioReader(SignalReader):
    """A sound file, with a track for each channel.

    Raises:
        GonkitError: unreadable, cut short, or empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path, "sound"):
            path.stat()  # which says it where there is no such file
            self.file = soundfile.SoundFile(path)
            expected, actual = _riff_length(path), path.stat().st_size
        if self.file.format not in FORMATS:
            raise GonkitError(f"{path}: cannot be read as sound: it holds {self.file.format_info}")
        self.shape = (self.file.frames,)
        self.num_tracks = self.file.channels
        self.resolution = self.file.samplerate
        if expected is not None and expected > actual:
            raise GonkitError(
                f"{path}: cut short: its header speaks of {expected:,} bytes and the file has {actual:,}; copy it again"
            )
        if not self.file.frames:
            raise GonkitError(f"{path}: holds no samples")
        self.position = 0

    def skip(self, count: int) -> None:
        """Moves forward by `count` frames."""
        with reading(self.path, f"sound after {self.position / self.resolution:.3f} s"):
            self.position = self.file.seek(self.position + count)

    def read(self, count: int) -> Tensor:
        require_at_most(self.path, count * self.num_tracks, MAX_VALUES, "samples", "read it in windows")
        with reading(self.path, f"sound after {self.position / self.resolution:.3f} s"):
            samples = torch.from_numpy(self.file.read(count, dtype="float32", always_2d=True))
        if len(samples) < count:
            raise GonkitError(
                f"{self.path}: cut short: {self.position + len(samples):,} of {self.shape[0]:,} frames can be read; "
                "copy it again"
            )
        if not samples.isfinite().all():
            bad = ~samples.isfinite().all(1)
            first = (self.position + int(bad.nonzero()[0, 0])) / self.resolution
            raise GonkitError(
                f"{self.path}: {int(bad.sum())} frames are not finite (NaN or infinity), from {first:.3f} s"
            )
        self.position += count
        return samples.mT.unsqueeze(-1)  # (channels, T, 1)


class AudioWriter(SignalWriter):
    """A sound file being written. If its peak exceeds full scale, the whole file is attenuated at the end.

    The final gain is known only at the end, so samples are kept in an anonymous temporary file until then.

    Args:
        path: ends in .wav (16 bits), .flac (16 bits) or .float.wav (32 bits, never attenuated).
        rate: sampling rate, in Hz.
        channels: number of channels.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path, self.rate, self.channels = path, rate, channels
        self.exact = path.name.endswith(".float.wav")
        self.peak = 0.0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._draft = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        self._file = soundfile.SoundFile(self._draft, "w", rate, channels, format="WAV", subtype="FLOAT")

    def write(self, values: Tensor) -> None:
        samples = values[..., 0].mT.contiguous()
        self.peak = max(self.peak, samples.abs().max().item() if samples.numel() else 0.0)
        self._file.write(samples.numpy())

    def close(self) -> Path:
        gain = 1.0
        if self.peak > 1 and not self.exact:
            gain = 0.999 / self.peak
            print(
                f"note: {self.path}: its peak of {self.peak:.3f} is over full scale, so all of it was made "
                f"{-20 * math.log10(gain):.1f} dB quieter; .float.wav keeps it as it is",
                file=sys.stderr,
            )
        self._file.close()
        self._draft.seek(0)
        container, subtype = self.path.suffix.removeprefix(".").upper(), "FLOAT" if self.exact else "PCM_16"
        with (
            self._draft,
            soundfile.SoundFile(self._draft) as draft,
            atomic_path(self.path) as temporary,
            soundfile.SoundFile(temporary, "w", self.rate, self.channels, format=container, subtype=subtype) as file,
        ):
            while len(block := draft.read(BLOCK_SIZE, dtype="float32", always_2d=True)):
                file.write(block * gain)
        return self.path

    def abort(self) -> None:
        self._file.close()
        self._draft.close()


def write_audio(path: Path, samples: Tensor, rate: int) -> None:
    """Writes samples (T, channels) to a file; see `AudioWriter`."""
    writer = AudioWriter(path, rate, samples.shape[1])
    writer.write(samples.mT.unsqueeze(-1))
    writer.close()


def _riff_length(path: Path) -> int | None:
    """Bytes up to the end of the samples, as the header of a RIFF file says; None for other files.

    A decoder silently reads a truncated file as a shorter one.
    """
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
            return None
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name == b"data":  # streams write sizes that mean "unknown"
                return None if size in (0, 0xFFFFFFFF) else file.tell() + size
            file.seek(size + size % 2, 1)
    return None
