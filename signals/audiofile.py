"""Sound files: read whole or by stretches, checked; written without ever clipping."""

from __future__ import annotations

__all__ = ["SUFFIXES", "AudioFile", "AudioSink", "read_audio", "read_stretch", "resampled_length", "write_audio"]

import math
import struct
import sys
from pathlib import Path

import soundfile
import torch
from torch import Tensor

from gonkit.signal import SignalError
from gonkit.tiles import Sink, Whole

SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"}
BLOCK = 1 << 18  # frames copied at a time
REACH = 8  # samples of the lower rate that resampling looks to either side; its window is 6 wide


def read_audio(path: Path, rate: int) -> Tensor:
    """A recording (T,), mixed down to mono and resampled to `rate`.

    Raises:
        SignalError: unreadable, cut short, empty, silent throughout, or with samples that are not finite.
    """
    from torchaudio.functional import resample

    file = AudioFile(path)
    samples = file.read(file.shape[0])[..., 0].mean(0)
    if not samples.any():
        raise SignalError(f"{path}: all {len(samples)} samples are zero: a silent recording has nothing to learn from")
    mono: Tensor = samples if file.resolution == rate else resample(samples, file.resolution, rate)
    return mono


def resampled_length(path: Path, rate: int) -> int:
    """How many samples `read_audio` would give, by the file's header.

    Raises:
        SignalError: unreadable, cut short by what the header says, or empty.
    """
    file = AudioFile(path)
    return -(-file.shape[0] * rate // file.resolution)


def read_stretch(path: Path, start: int, count: int, rate: int) -> Tensor:
    """Samples `start` to `start + count` of `read_audio(path, rate)`, and silence after its end; reads no more of it.

    Raises:
        SignalError: unreadable, cut short, or with samples that are not finite.
    """
    from torchaudio.functional import resample

    file = AudioFile(path)
    common = math.gcd(file.resolution, rate)
    native, made = file.resolution // common, rate // common  # so many frames take the time of so many samples
    around = -(-REACH // min(native, made))  # such times
    first = max(0, start // made - around)
    last = min(file.shape[0], (-(-(start + count) // made) + around) * native)
    file.skip(first * native)
    samples = file.read(max(0, last - first * native))[..., 0].mean(0)
    mono = samples if native == made else resample(samples, file.resolution, rate)
    part = mono[start - first * made :][:count]
    return torch.nn.functional.pad(part, (0, count - len(part)))


class AudioFile(Whole):
    """A sound file with a track per channel.

    Raises:
        SignalError: unreadable, cut short, or empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = soundfile.SoundFile(path)
        except (soundfile.SoundFileError, OSError) as error:
            reason = "there is no such file" if not path.exists() else str(error).rpartition(": ")[2]
            raise SignalError(f"{path}: cannot be read as sound: {reason}") from None
        self.shape = (self.file.frames,)
        self.tracks = self.file.channels
        self.resolution = self.file.samplerate
        said = _said_length(path)
        if said is not None and said > path.stat().st_size:
            raise SignalError(
                f"{path}: cut short: its header speaks of {said:,} bytes and the file has {path.stat().st_size:,}; "
                "copy it again"
            )
        if not self.file.frames:
            raise SignalError(f"{path}: holds no samples")
        self.done = 0

    def skip(self, count: int) -> None:
        """Goes on from `count` frames further."""
        self.done = self.file.seek(self.done + count)

    def read(self, count: int) -> Tensor:
        samples = torch.from_numpy(self.file.read(count, dtype="float32", always_2d=True))
        if len(samples) < count:
            raise SignalError(
                f"{self.path}: cut short: {self.done + len(samples):,} of {self.shape[0]:,} frames can be read; "
                "copy it again"
            )
        if not samples.isfinite().all():
            bad = ~samples.isfinite().all(1)
            first = (self.done + int(bad.nonzero()[0, 0])) / self.resolution
            raise SignalError(
                f"{self.path}: {int(bad.sum())} frames are not finite (NaN or infinity), from {first:.3f} s"
            )
        self.done += count
        return samples.mT.unsqueeze(-1)  # (channels, T, 1)


class AudioSink(Sink):
    """A sound file being written; brought down to full scale at the end where it went over.

    Args:
        path: ends in .wav (16 bits), .flac (16 bits) or .float.wav (32 bits, never limited).
        rate: samples per second.
        channels: of the file.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path, self.rate, self.channels = path, rate, channels
        self.exact = path.name.endswith(".float.wav")
        self.draft = path.with_name(path.name + ".part")
        self.peak = 0.0
        self.file = self._new(self.draft, "WAV", "FLOAT")

    def write(self, values: Tensor) -> None:
        samples = values[..., 0].mT.contiguous()
        self.peak = max(self.peak, samples.abs().max().item() if samples.numel() else 0.0)
        self.file.write(samples.numpy())

    def close(self) -> Path:
        self.file.close()
        if self.exact:
            return self.draft.replace(self.path)
        gain = 1.0
        if self.peak > 1:
            gain = 0.999 / self.peak
            print(
                f"note: {self.path}: its peak of {self.peak:.3f} is over full scale, so all of it was made "
                f"{-20 * torch.log10(torch.tensor(gain)).item():.1f} dB quieter; .float.wav keeps it as it is",
                file=sys.stderr,
            )
        finished = self.path.with_name(self.path.name + ".done")
        form = self.path.suffix.removeprefix(".").upper()
        with soundfile.SoundFile(self.draft) as draft, self._new(finished, form, "PCM_16") as file:
            while len(block := draft.read(BLOCK, dtype="float32", always_2d=True)):
                file.write(block * gain)
        self.draft.unlink()
        return finished.replace(self.path)

    def discard(self) -> None:
        self.file.close()
        self.draft.unlink(missing_ok=True)

    def _new(self, path: Path, form: str, subtype: str) -> soundfile.SoundFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return soundfile.SoundFile(path, "w", self.rate, self.channels, format=form, subtype=subtype)


def write_audio(path: Path, samples: Tensor, rate: int) -> None:
    """Samples (T, channels) as a file; see `AudioSink`."""
    sink = AudioSink(path, rate, samples.shape[1])
    sink.write(samples.mT.unsqueeze(-1))
    sink.close()


def _said_length(path: Path) -> int | None:
    """Bytes that a RIFF file's header says it has up to the end of its samples; None for other files.

    A decoder reads a file that was cut short as a shorter one, without a word.
    """
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
            return None
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"data":  # streams write sizes that stand for "unknown"
                return None if size in (0, 0xFFFFFFFF) else file.tell() + size
            file.seek(size + size % 2, 1)
    return None
