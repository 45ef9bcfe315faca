"""Audio: samples of sound over time, as short clips of one latent each or as windows of long recordings."""

from __future__ import annotations

__all__ = ["Audio", "LogMel", "Sound"]

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy
import torch
from PIL import Image as pillow
from pydantic import Field, field_validator
from torch import Tensor

from gonkit.losses import Loss, Spectral, log_floored
from gonkit.metrics import log_spectral_distance, magnitudes, si_sdr
from gonkit.signal import (
    Batch,
    Prediction,
    Resident,
    Sample,
    Signal,
    SignalError,
    SignalSet,
    Split,
    note_bad,
    split_indices,
)
from gonkit.streaming import Streamed
from gonkit.tiles import window_starts
from signals.audiofile import SUFFIXES, AudioFile, AudioSink, read_audio, read_stretch, resampled_length, write_audio
from signals.plucks import MATERIALS, NOTES, TOUCHES, notes, pluck_name, plucks

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

EMBEDDED = ("plucks", "notes")
PUBLIC = ("speechcommands", "yesno")
SPECTRUM = 256  # points of the window through which samples are judged
QUIET = 1e-4  # magnitude below which they count as silent there


@dataclass(frozen=True)
class Sound:
    """Samples (T, channels), full scale at ±1, and their number per second."""

    samples: Tensor
    rate: int


class Audio(Signal):
    """Mono sound with values in [-1, 1], full scale, at c = 2·i/length − 1: the time at which sample i is taken."""

    coord_dim: ClassVar[int] = 1
    value_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".float.wav")
    reads: ClassVar[frozenset[str]] = frozenset(SUFFIXES)
    pictured: ClassVar[bool] = False

    data: str = "plucks"
    """"plucks" (1,000 strings and bars, embedded), "notes" (ten notes called 0 to 9, struck in eight ways, embedded),
    "speechcommands", "yesno", or a folder of recordings."""
    root: str = "data"
    """Where public data sets lie, as torchaudio lays them out."""
    download: bool = False
    """Fetch a public data set that is not there."""
    rate: Annotated[int, Field(ge=100, le=768_000)] = 8000
    """Samples per second; recordings of other rates are resampled."""
    length: Annotated[int, Field(ge=16)] = 4000
    """Samples of one signal."""
    windows: bool = False
    """Tile recordings into windows that overlap by half, a latent each. Otherwise each recording is one
    signal: its beginning, with silence after it where it is shorter."""
    pattern: str | None = None
    """How file names are read, as in "{label}_{speaker}_{take}"; `label` gives classes. None: sub-folders do."""
    test: dict[str, list[str]] = Field(default_factory=dict)
    """Recordings held out to test, by a part of the pattern, as in { speaker = ["ann"] }; empty for any tenth."""
    stream: bool = False
    """Read the recordings of a folder or a public set when they are needed, by `train.workers` processes, instead of
    keeping all in memory. Their headers are checked at the start, their samples when they are read."""
    skip_bad: bool = False
    """Leave out recordings that cannot be used, and say how many."""

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            names = re.findall(r"\{(.*?)\}", pattern)
            if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
                raise ValueError(f'got {pattern!r}; expected different names in braces, as in "{{label}}_{{take}}"')
        return pattern

    @property
    def channels(self) -> int:
        return 1

    def absolute(self) -> Self:
        named = self.data in EMBEDDED or self.data in PUBLIC
        paths = {"root": str(Path(self.root).resolve())}
        return self.model_copy(update=paths if named else paths | {"data": str(Path(self.data).resolve())})

    def grid(self, resolution: int | None = None) -> tuple[int]:
        """Samples of `length` samples' time, at `resolution` samples per second."""
        return (self.length * (resolution or self.rate) // self.rate,)

    def coords(self, resolution: int | None = None) -> Tensor:
        (count,) = self.grid(resolution)
        seconds = torch.arange(count, dtype=torch.float64) / (resolution or self.rate)
        return (seconds * (2 * self.rate / self.length) - 1).float().unsqueeze(1)

    def dataset(self, split: Split) -> SignalSet:
        if self.data in EMBEDDED:
            return self._embedded(split)
        paths, fixed = self._public() if self.data in PUBLIC else self._folder()
        recordings, note = self._recordings(paths)
        chosen = [recordings[i] for i in self._split(recordings, split, fixed)]
        labels = {recording.label for recording in recordings}
        classes = sorted(labels) if "" not in labels else []
        places = [(recording, start) for recording in chosen for start in self._starts(recording.count)]
        names = [f"{r.path}{f' at {start / self.rate:.3f} s' if self.windows else ''}" for r, start in places]
        label = torch.tensor([classes.index(r.label) for r, _ in places]) if classes else None
        if self.stream:
            read = partial(_read_place, [(r.path, start) for r, start in places], self.rate, self.length)
            return Streamed(read, torch.arange(len(places)), self.coords(), names, label, classes, note)
        values = torch.stack([self._clip(r.samples[start:]) for r, start in places if r.samples is not None])
        return Resident(Batch(self.coords(), values.unsqueeze(-1), label=label), names, note, classes)

    def render(self, values: Tensor, resolution: int | None = None) -> Sound:
        return Sound(values.float().cpu(), resolution or self.rate)

    def picture(self, thing: Sound) -> pillow.Image:
        """A spectrogram of 160×96: time to the right, frequency upwards, 80 dB from black to yellow."""
        spectrum = magnitudes(thing.samples.mT[:1].contiguous(), 256)[0]  # (frequencies, frames)
        level = 20 * torch.log10(spectrum.clamp_min(1e-9))
        shade = ((level - level.max()) / 80 + 1).clamp(0, 1).flip(0)
        return _colored(shade.numpy()).resize((160, 96), pillow.Resampling.BILINEAR)

    def load(self, path: Path) -> Sample:
        samples = read_audio(path, self.rate)
        return Sample(self._clip(samples).unsqueeze(-1), name=path.stem)

    def open(self, path: Path) -> AudioFile:
        return AudioFile(path)

    def create(self, stem: Path, whole: AudioFile, resolution: int, suffix: str | None = None) -> AudioSink:  # type: ignore[override]
        return AudioSink(stem.with_name(stem.name + (suffix or self.suffixes[0])), resolution, whole.tracks)

    def save(self, thing: Sound, stem: Path, suffix: str | None = None) -> Path:
        path = stem.with_name(stem.name + (suffix or self.suffixes[0]))
        write_audio(path, thing.samples, thing.rate)
        return path

    def log(self, writer: SummaryWriter, tag: str, thing: Sound, step: int) -> None:
        peak = max(1.0, thing.samples.abs().max().item())
        writer.add_audio(tag, thing.samples.mT / peak, step, sample_rate=thing.rate)

    def html(self, path: str) -> str:
        return f'<audio controls preload="none" src="{path}"></audio>'

    def losses(self) -> Mapping[str, Loss]:
        return {"log_mel": LogMel(self.rate)}

    def metrics(self) -> Mapping[str, Callable[[Tensor, Tensor], Tensor]]:
        def mono(metric: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
            return lambda prediction, values: metric(prediction.squeeze(-1), values.squeeze(-1))

        return {"si_sdr": mono(si_sdr), "lsd": mono(log_spectral_distance)}

    def features(self, values: Tensor) -> Tensor:
        """Log magnitudes (B, frequencies, frames, C), where white noise of deviation 1 has 0, from 1e-4 up."""
        return log_floored(magnitudes(values.mT, SPECTRUM), QUIET).movedim(1, -1)

    def _clip(self, samples: Tensor) -> Tensor:
        """The first `length` samples, with silence after them where there are fewer."""
        return torch.nn.functional.pad(samples[: self.length], (0, max(0, self.length - len(samples))))

    def _starts(self, count: int) -> Sequence[int]:
        """Where the signals of a recording of `count` samples begin."""
        return window_starts(count, self.length) if self.windows else [0]

    def _folder(self) -> tuple[list[Path], dict[Path, Split]]:
        folder = Path(self.data)
        if not folder.is_dir():
            raise SignalError(
                f"{folder}: no such folder; signal.data must be {', '.join(EMBEDDED + PUBLIC)} or a folder of "
                "recordings"
            )
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not paths:
            raise SignalError(f"{folder}: no recordings in it or below ({', '.join(sorted(SUFFIXES))})")
        return paths, {}

    def _public(self) -> tuple[list[Path], dict[Path, Split]]:
        """Files of a public data set, and the splits that it comes with."""
        from torchaudio import datasets

        root = Path(self.root)
        if self.download:
            root.mkdir(parents=True, exist_ok=True)
        try:
            if self.data == "yesno":
                datasets.YESNO(root, download=self.download)
                return sorted((root / "waves_yesno").glob("*.wav")), {}
            paths: dict[Path, Split] = {}
            for subset, split in (("training", "train"), ("validation", "val"), ("testing", "test")):
                found = datasets.SPEECHCOMMANDS(root, download=self.download, subset=subset)
                paths |= {root / "SpeechCommands" / found.get_metadata(i)[0]: split for i in range(len(found))}
        except (RuntimeError, OSError) as error:
            if self.download:
                raise SignalError(f"{self.data} could not be fetched to {root.resolve()}: {error}") from None
            raise SignalError(
                f"{self.data} is not in {root.resolve()}, laid out as torchaudio does; set signal.root to the "
                "folder where it is, or signal.download = true to fetch it"
            ) from None
        return sorted(paths), paths

    def _recordings(self, paths: Sequence[Path]) -> tuple[list[_Recording], str]:
        """What can be used of the files, and a note on what cannot."""
        good, bad = [], []
        for path, found in zip(paths, _read_all(tuple(paths), self.rate, self.stream), strict=True):
            try:
                if isinstance(found, SignalError):
                    raise found
                count, samples = found
                good.append(_Recording(path, count, samples, self._parts(path)))
            except SignalError as error:
                bad.append(str(error))
        return good, note_bad(bad, len(paths), "recordings", self.skip_bad)

    def _split(self, recordings: Sequence[_Recording], split: Split, fixed: Mapping[Path, Split]) -> list[int]:
        """Which recordings belong to a split."""
        everything = range(len(recordings))
        if fixed:
            return [i for i in everything if fixed[recordings[i].path] == split]
        if not self.test:
            try:
                return split_indices(len(recordings), split).tolist()
            except SignalError as error:
                raise SignalError(f"{self.data}: {error}") from None
        held = [i for i in everything if any(recordings[i].parts.get(k) in v for k, v in self.test.items())]
        rest = sorted(set(everything) - set(held))
        if not held or len(rest) < 2:
            raise SignalError(
                f"signal.test = {self.test} holds out {len(held)} of {len(recordings)} recordings; at least one must "
                "be held out and two left. The parts of the first file's name are " + str(recordings[0].parts)
            )
        if split == "test":
            return held
        chosen = split_indices(max(3, len(rest)), "val").tolist()
        validation = {rest[i] for i in chosen if i < len(rest)} or {rest[0]}
        return [i for i in rest if (i in validation) == (split == "val")]

    def _parts(self, path: Path) -> dict[str, str]:
        """What a file's name says."""
        if self.pattern is None:
            inside = path.relative_to(self.data if self.data not in PUBLIC else self.root).parts
            return {"label": path.parent.name} if len(inside) > 1 and self.data != "yesno" else {}
        pieces = re.split(r"\{(.*?)\}", self.pattern)
        expression = "".join(f"(?P<{p}>.+?)" if i % 2 else re.escape(p) for i, p in enumerate(pieces))
        found = re.fullmatch(expression, path.stem)
        if found is None:
            raise SignalError(f"{path}: its name does not read as signal.pattern = {self.pattern!r}")
        return found.groupdict()

    def _embedded(self, split: Split) -> Resident:
        if self.data == "notes":
            clips, labels, known = notes(self.rate, self.length)
            touch = torch.arange(len(clips)) % TOUCHES  # every note is in every split
            held_out = {"val": touch == 3, "test": touch == 5}
            index = held_out.get(split, ~(held_out["val"] | held_out["test"])).nonzero()[:, 0]
            classes = tuple(str(number) for number in range(len(NOTES)))
            names = [known[i] for i in index]
        else:
            clips, labels = plucks(self.rate, self.length)
            index, classes = split_indices(len(clips), split), MATERIALS
            names = [pluck_name(int(i)) for i in index]
        return Resident(Batch(self.coords(), clips[index].unsqueeze(-1), label=labels[index]), names, classes=classes)


@dataclass(frozen=True)
class _Recording:
    path: Path
    count: int  # T, samples at the training rate
    samples: Tensor | None  # (T,), None where they are read when needed
    parts: Mapping[str, str]

    @property
    def label(self) -> str:
        """From the pattern or the sub-folder, empty where there is none."""
        return self.parts.get("label", "")


@lru_cache(maxsize=1)  # the three splits come from one reading
def _read_all(paths: tuple[Path, ...], rate: int, stream: bool) -> list[tuple[int, Tensor | None] | SignalError]:
    """The number of samples of each file and, unless they are streamed, those; or why there are none."""

    def read(path: Path) -> tuple[int, Tensor | None] | SignalError:
        try:
            if stream:
                return resampled_length(path, rate), None
            samples = read_audio(path, rate)
            return len(samples), samples
        except SignalError as error:
            return error

    return [read(path) for path in paths]


def _read_place(places: Sequence[tuple[Path, int]], rate: int, length: int, number: int) -> Tensor:
    """Values (length, 1) of the signal with a number."""
    return read_stretch(*places[number], length, rate).unsqueeze(-1)


@dataclass(frozen=True)
class LogMel(Spectral):
    """Mean absolute difference of log mel spectra.

    Attributes:
        rate: points per second.
        bands: mel bands from 0 to half the rate, on the HTK scale.
        size: of the window, in points.
        floor: power below which bands count as equal, where white noise of deviation 1 has 1 in each bin.
    """

    rate: int
    bands: int = 40
    size: int = 512
    floor: float = 1e-3

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        x, y = self.pair(prediction, batch)
        size = min(self.size, x.shape[-1])
        bank = _mel_bank(size // 2 + 1, self.bands, self.rate).to(x)  # (frequencies, bands)
        a, b = (
            log_floored(torch.einsum("bcft,fm->bcmt", magnitudes(t, size).square(), bank), self.floor) for t in (x, y)
        )
        return (a - b).abs().mean((1, 2, 3))


@lru_cache
def _mel_bank(frequencies: int, bands: int, rate: int) -> Tensor:
    """(frequencies, bands) triangles, without the bands that fall between two frequencies."""
    from torchaudio.functional import melscale_fbanks

    with warnings.catch_warnings(action="ignore"):
        bank: Tensor = melscale_fbanks(frequencies, 0.0, rate / 2, bands, rate)
    return bank[:, bank.sum(0) > 0]


def _colored(shade: numpy.ndarray) -> pillow.Image:
    """(H, W) from 0 to 1 as black, purple, red, yellow and white, each lighter than the one before."""
    anchors = numpy.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], float)
    places = numpy.linspace(0, 1, len(anchors))
    return pillow.fromarray(
        numpy.stack([numpy.interp(shade, places, anchors[:, c]) for c in range(3)], -1).round().astype(numpy.uint8)
    )
