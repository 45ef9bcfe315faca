"""The signal type for audio, and how it is shown and measured."""

from __future__ import annotations

__all__ = ["Audio"]

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import torch
from PIL import Image as pillow
from pydantic import Field, NonNegativeFloat, model_validator
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import (
    DataFile,
    DatasetInfo,
    DefaultLosses,
    Grid,
    InMemoryDataset,
    IsPath,
    LabeledFolder,
    LabelRule,
    OwnRecipesOnly,
    Sections,
    Signal,
    SignalDataset,
    Split,
    StreamingDataset,
    split_indices,
    window_starts,
)
from gonkit.errors import GonkitError
from gonkit.metrics import stft_magnitude
from gonkit.plotting import apply_colormap
from signals.audio.components import STFT_SIZE, AudioDisplay, AudioFiles, AudioMeasures, Waveform
from signals.audio.files import SUFFIXES
from signals.audio.losses import LogMelLoss
from signals.audio.recordings import Recording, find_torchaudio, read_recordings, split_held_out
from signals.audio.synthetic import MATERIALS, NOTES, TOUCHES, Pitch, pluck_names, synthesize_notes, synthesize_plucks

if TYPE_CHECKING:
    pass

BUILT_IN = ("plucks", "notes")
TORCHAUDIO = ("speechcommands", "yesno")


class Audio(Signal):
    """Mono sound with values in [-1, 1], full scale, at times c = 2·i/length − 1 for sample i."""

    value_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    data: Annotated[str, IsPath(unless=(*BUILT_IN, *TORCHAUDIO))] = "plucks"
    """"plucks" (1,000 sounds of strings and bars, built in), "notes" (ten notes, labeled 0 to 9, each struck in eight
    ways, built in), "speechcommands", "yesno", or a folder of recordings."""
    root: Annotated[str, IsPath()] = "data"
    """Folder of the public data sets, laid out as torchaudio does."""
    download: Annotated[bool, OwnRecipesOnly()] = False
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
    label: LabelRule = None
    """What labels recordings: the first folder below those of splits; "folder:2" or "folder:-1", another one; a pattern
    of their names such as "{label}_{speaker}_{take}"; or a .csv file with the columns file and label."""
    test: dict[str, list[str]] = Field(default_factory=dict)
    """Recordings of the test split, by what the pattern or the columns of `label` tell, as in { speaker = ["ann"] }."""
    stream: bool = False
    """Read the recordings of a folder or a public set when they are needed, in `train.workers` processes, instead of
    keeping all of them in memory. Their headers are checked at the start, their samples when they are read."""
    skip_bad: bool = False
    """Skip recordings that cannot be used, and report how many."""

    @model_validator(mode="after")
    def _validate_synthetic(self) -> Self:
        if self.data in BUILT_IN and (self.label is not None or self.test):
            raise ValueError(f'label, test: belong to recordings; "{self.data}" has labels and splits of its own')
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

    @property
    def clip(self) -> int | None:
        """How many samples of a recording are used, from its beginning; None for all."""
        return None if self.windows else self.length

    def dataset(self, split: Split) -> SignalDataset:
        if self.data in BUILT_IN:
            return self._built_in(split)
        found = self._find()
        recordings, problems = read_recordings(found.paths, self.rate, self.stream, self.clip)
        note = found.note(problems, self.skip_bad)
        names = [found.name(recording.path) for recording in recordings]
        class_names, class_numbers = found.classes(names)
        windows = [(n, start) for n in self._split(found, names, split) for start in self._window_starts(recordings[n])]
        if not windows:
            raise GonkitError(f"{self.data}: no usable recording is in the {split} split")
        labels = torch.tensor([class_numbers[n] for n, _ in windows]) if class_numbers else None
        files = [(DataFile(names[n], recordings[n].path),) for n, _ in windows]
        times = [f" at {start / self.rate:.3f} s" if self.windows else "" for _, start in windows]
        names = [names[n] + time for (n, _), time in zip(windows, times, strict=True)]
        info = DatasetInfo(names, labels, class_names, note, self.stream, files)
        read = partial(_read_window, [(recordings[n], start) for n, start in windows], self.length)
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
    def suggested_recipe(self) -> Sections:
        if self.windows:  # of recordings of any length
            return {"latent": {"dim": 64, "step": 6.0}, "train": {"steps": 4000, "learning_rate": 2e-4}}
        return {
            "field": {"width": 32, "layers": 2, "omega": 60.0, "latent": "all", "series": self.length},
            "latent": {"dim": 32, "step": 1000.0},
            "loss": {"outer": {"mse": 1.0, "stft": 0.005}},
            "train": {"steps": 2000, "batch": 64, "optimizer": "muon", "learning_rate": 5e-3},
        }

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

    def _find(self) -> LabeledFolder:
        if self.data in TORCHAUDIO:
            return find_torchaudio(self.data, Path(self.root), self.download, self.label)
        return LabeledFolder.find(Path(self.data), SUFFIXES, "recordings", self.label, BUILT_IN + TORCHAUDIO)

    def _split(self, found: LabeledFolder, names: Sequence[str], split: Split) -> list[int]:
        """Numbers of the recordings of a split, by their names."""
        if not self.test:
            return found.split(names, split).tolist()
        try:
            return split_held_out([found.fields[name] for name in names], split, self.test)
        except GonkitError as error:
            raise GonkitError(f"{self.data}: {error}") from None

    def _window_starts(self, recording: Recording) -> Sequence[int]:
        return window_starts(recording.length, self.length) if self.windows else [0]


def _read_window(windows: Sequence[tuple[Recording, int]], length: int, number: int) -> Tensor:
    """Values (length, 1) of a signal by its number."""
    recording, start = windows[number]
    return recording.window(start, length).unsqueeze(-1)
