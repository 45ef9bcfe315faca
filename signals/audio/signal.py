"""The signal type for audio, and how it is shown and measured."""

from __future__ import annotations

__all__ = ["Audio", "AudioDisplay", "AudioFiles", "AudioMeasures", "Waveform"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, get_args

import torch
from PIL import Image as pillow
from pydantic import Field, NonNegativeFloat, field_validator, model_validator
from torch import Tensor

from gonkit.batch import Batch, Sample
from gonkit.data import (
    DataFile,
    DatasetInfo,
    DefaultLosses,
    Display,
    Grid,
    InMemoryDataset,
    IsPath,
    Measures,
    Metric,
    Signal,
    SignalDataset,
    SignalFiles,
    SignalReader,
    Split,
    StreamingDataset,
    files_in,
    folder_classes,
    folder_split,
    ignored_files,
    report_skipped_files,
    split_indices,
    window_starts,
)
from gonkit.errors import GonkitError
from gonkit.losses import clamped_log
from gonkit.metrics import log_spectral_distance, si_sdr, stft_magnitude
from gonkit.plotting import apply_colormap
from signals.audio.files import SUFFIXES, AudioReader, AudioWriter, fit_length, read_audio, write_audio
from signals.audio.losses import LogMelLoss
from signals.audio.recordings import (
    Recording,
    name_fields,
    parse_name,
    read_recordings,
    split_recordings,
    torchaudio_files,
)
from signals.audio.synthetic import MATERIALS, NOTES, TOUCHES, Pitch, pluck_names, synthesize_notes, synthesize_plucks

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

BUILT_IN = ("plucks", "notes")
TORCHAUDIO = ("speechcommands", "yesno")
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


class Audio(Signal):
    """Mono sound with values in [-1, 1], full scale, at times c = 2·i/length − 1 for sample i."""

    value_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    data: Annotated[str, IsPath(unless=(*BUILT_IN, *TORCHAUDIO))] = "plucks"
    """"plucks" (1,000 sounds of strings and bars, built in), "notes" (ten notes, labeled 0 to 9, each struck in eight
    ways, built in), "speechcommands", "yesno", or a folder of recordings."""
    root: Annotated[str, IsPath()] = "data"
    """Folder of the public data sets, laid out as torchaudio does."""
    download: bool = False
    """Download a public data set that is missing."""
    rate: Annotated[int, Field(ge=100, le=768_000)] = 8000
    """Sampling rate in Hz; recordings of other rates are resampled."""
    length: Annotated[int, Field(ge=16)] = 4000
    """Samples of one signal."""
    count: Annotated[int, Field(ge=10)] | None = None
    """Sounds of "plucks": None for 1,000 on a grid of pitches and touches; or as many with random ones."""
    pitch: Pitch = "semitones"
    """Pitches of random "plucks": notes of the tempered scale, or "continuous"."""
    onset: NonNegativeFloat = 0.0
    """Longest silence before random "plucks", in seconds, at most half a clip; each has its own."""
    windows: bool = False
    """Cut recordings into windows that overlap by half, each with its own latent. Otherwise each recording is one
    signal: its first `length` samples, padded with silence if it is shorter."""
    pattern: str | None = None
    """How file names are parsed, as in "{label}_{speaker}_{take}"; `label` names classes. None: sub-folders do."""
    test: dict[str, list[str]] = Field(default_factory=dict)
    """Recordings of the test split, by parts of their names, as in { speaker = ["ann"] }; empty for a random tenth."""
    stream: bool = False
    """Read the recordings of a folder or a public set when they are needed, in `train.workers` processes, instead of
    keeping all of them in memory. Their headers are checked at the start, their samples when they are read."""
    skip_bad: bool = False
    """Skip recordings that cannot be used, and report how many."""

    @field_validator("pattern")
    @classmethod
    def _validate_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            name_fields(pattern)
        return pattern

    @model_validator(mode="after")
    def _validate_plucks(self) -> Self:
        if self.count is None and (self.onset or self.pitch != "semitones"):
            raise ValueError("onset, pitch: belong to random plucks; say how many, as in count = 8000")
        if self.onset > (longest := self.length / self.rate / 2):
            raise ValueError(f"onset: at most half a clip, {longest:g} s, got {self.onset:g} s")
        return self

    @property
    def channels(self) -> int:
        return 1

    def grid(self, resolution: int | None = None) -> Grid:
        """Times of samples, at `resolution` Hz, within the duration of a signal."""
        rate = resolution or self.rate
        count = self.length * rate // self.rate
        seconds = torch.arange(count, dtype=torch.float64) / rate
        return Grid((seconds * (2 * self.rate / self.length) - 1).float().unsqueeze(1), (count,))

    def dataset(self, split: Split) -> SignalDataset:
        if self.data in BUILT_IN:
            return self._built_in(split)
        assigned = self._list_files()
        recordings, problems = read_recordings(list(assigned), self.rate, self.stream, self._file_fields)
        note = report_skipped_files(problems, len(assigned), "recordings", self.skip_bad)
        if self.data not in TORCHAUDIO:
            note = "; ".join(filter(None, (note, ignored_files(Path(self.data), SUFFIXES))))
        try:
            chosen = split_recordings(recordings, split, assigned, self.test)
        except GonkitError as error:
            raise GonkitError(f"{self.data}: {error}") from None
        starts = [window_starts(one.length, self.length) if self.windows else [0] for one in chosen]
        windows = [(recording, start) for recording, all_ in zip(chosen, starts, strict=True) for start in all_]
        if not windows:
            raise GonkitError(f"{self.data}: no usable recording is in the {split} split")
        files = [(DataFile(self._name(recording.path), recording.path),) for recording, _ in windows]
        names = [file.name for (file,) in files]
        if self.windows:
            names = [f"{name} at {at / self.rate:.3f} s" for name, (_, at) in zip(names, windows, strict=True)]
        classes, label_of = self._classes(recordings)
        labels = torch.tensor([label_of[recording.path] for recording, _ in windows]) if classes else None
        info = DatasetInfo(names, labels, classes, note, self.stream, files)
        read = partial(_read_window, windows, self.length)
        if self.stream:
            return StreamingDataset(read, torch.arange(len(windows)), self.grid(), info)
        values = torch.stack([read(number) for number in range(len(windows))])
        return InMemoryDataset(Batch(self.grid().coords, values, label=labels), info)

    def to_object(self, values: Tensor, resolution: int | None = None) -> Waveform:
        return Waveform(values.float().cpu(), resolution or self.rate)

    def preview(self, obj: Waveform) -> pillow.Image:
        """A spectrogram of 160×96: time to the right, frequency upwards, 80 dB from dark to light."""
        magnitude = stft_magnitude(obj.samples.mT[:1].contiguous(), STFT_SIZE)[0]  # (frequencies, frames)
        level = 20 * torch.log10(magnitude.clamp_min(1e-9))
        shade = ((level - level.max()) / 80 + 1).clamp(0, 1).flip(0)
        return apply_colormap(shade.numpy()).resize((160, 96), pillow.Resampling.BILINEAR)

    @property
    def files(self) -> AudioFiles:
        return AudioFiles(self)

    @property
    def display(self) -> AudioDisplay:
        return AudioDisplay()

    @property
    def measures(self) -> AudioMeasures:
        return AudioMeasures()

    @property
    def default_losses(self) -> DefaultLosses:
        return DefaultLosses(own={"log_mel": LogMelLoss(self.rate)})

    def _built_in(self, split: Split) -> InMemoryDataset:
        if self.data == "notes":
            clips, labels, names = synthesize_notes(self.rate, self.length)
            touch = torch.arange(len(clips)) % TOUCHES  # every note is in every split
            held_out = {"val": touch == 3, "test": touch == 5}
            index = held_out.get(split, ~(held_out["val"] | held_out["test"])).nonzero()[:, 0]
            classes = tuple(str(number) for number in range(len(NOTES)))
        else:
            clips, labels = synthesize_plucks(self.rate, self.length, self.count, self.pitch, self.onset)
            index, classes = split_indices(len(clips), split), MATERIALS
            names = pluck_names(self.count, self.pitch, self.onset)
        info = DatasetInfo(names, labels, classes).subset(index)
        return InMemoryDataset(Batch(self.grid().coords, clips[index].unsqueeze(-1), label=info.labels), info)

    def _list_files(self) -> dict[Path, Split | None]:
        """All recordings, each with the split that a public data set assigns it to, or None."""
        if self.data in TORCHAUDIO:
            return torchaudio_files(self.data, Path(self.root), self.download)
        folder = Path(self.data)
        paths = files_in(folder, SUFFIXES, "recordings", BUILT_IN + TORCHAUDIO)
        if self.test:  # then parts of their names decide
            return dict.fromkeys(paths)
        names = [self._name(path) for path in paths]
        return {paths[n]: split for split in get_args(Split) for n in folder_split(folder, names, split).tolist()}

    def _name(self, path: Path) -> str:
        """A recording's path below the folder of the data."""
        return path.relative_to(self.root if self.data in TORCHAUDIO else self.data).as_posix()

    def _file_fields(self, path: Path) -> dict[str, str]:
        """Parts of a file name by the pattern."""
        if self.pattern is not None:
            return parse_name(path, self.pattern)
        return {"label": path.parent.name} if self.data == "speechcommands" else {}

    def _classes(self, recordings: Sequence[Recording]) -> tuple[tuple[str, ...], dict[Path, int]]:
        """Class names, none if some recordings have none, and the label of each recording."""
        if self.pattern is None and self.data not in TORCHAUDIO:
            classes, labels = folder_classes([self._name(recording.path) for recording in recordings])
        else:
            found = sorted({recording.label for recording in recordings})
            classes = () if "" in found else tuple(found)
            labels = [classes.index(recording.label) for recording in recordings] if classes else None
        return classes, dict(zip((recording.path for recording in recordings), labels or [], strict=bool(labels)))


class AudioFiles(SignalFiles):
    """Sound files, read and written with libsndfile."""

    read_suffixes: ClassVar[frozenset[str]] = SUFFIXES
    write_suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".float.wav")

    def __init__(self, signal: Audio) -> None:
        super().__init__(signal.to_object, signal.preview)
        self.signal = signal

    def load(self, path: Path) -> Sample:
        samples = fit_length(read_audio(path, self.signal.rate), self.signal.length)
        return Sample(samples.unsqueeze(-1), name=path.stem)

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


def _read_window(windows: Sequence[tuple[Recording, int]], length: int, number: int) -> Tensor:
    """Values (length, 1) of a signal by its number."""
    recording, start = windows[number]
    return recording.window(start, length).unsqueeze(-1)
