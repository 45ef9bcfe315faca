"""Recordings: finding them, reading them, and dividing them into splits."""

from __future__ import annotations

__all__ = ["Recording", "find_torchaudio", "read_recordings", "split_held_out"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from gonkit.data import FileVersions, LabeledFolder, Split, file_versions, split_indices
from gonkit.errors import GonkitError
from signals.audio.files import fit_length, read_audio, read_segment, resampled_length


@dataclass(frozen=True)
class Recording:
    """One file.

    Attributes:
        path: of the file.
        rate: sampling rate of the signals, in Hz.
        length: number of samples at that rate.
        samples: (length,), or None if they are read when needed.
    """

    path: Path
    rate: int
    length: int
    samples: Tensor | None

    def window(self, start: int, length: int) -> Tensor:
        """(length,) samples from `start`, zero beyond the end."""
        if self.samples is None:
            return read_segment(self.path, start, length, self.rate)
        return fit_length(self.samples[start:], length)


def find_torchaudio(name: str, root: Path, download: bool, label: str | None) -> LabeledFolder:
    """The files of a public data set, with the splits that the data set assigns them to, if it does.

    Args:
        name: "yesno" or "speechcommands".
        root: folder of the data set, laid out as torchaudio does.
        download: whether to download a data set that is missing.
        label: rule of their labels.

    Raises:
        GonkitError: not there, or not to be downloaded.
    """
    from torchaudio import datasets

    if download:
        root.mkdir(parents=True, exist_ok=True)
    splits: dict[str, Split] = {}
    try:
        if name == "yesno":
            datasets.YESNO(root, download=download)
            folder = root / "waves_yesno"
            names = sorted(path.name for path in folder.glob("*.wav"))
        else:
            folder = root / "SpeechCommands" / "speech_commands_v0.02"
            subsets: tuple[tuple[str, Split], ...] = (("training", "train"), ("validation", "val"), ("testing", "test"))
            for subset, split in subsets:
                public = datasets.SPEECHCOMMANDS(root, download=download, subset=subset)
                paths = (root / "SpeechCommands" / public.get_metadata(i)[0] for i in range(len(public)))
                splits |= {path.relative_to(folder).as_posix(): split for path in paths}
            names = sorted(splits)
    except (RuntimeError, OSError) as error:
        if download:
            raise GonkitError(f"{name} could not be fetched to {root.resolve()}: {error}") from None
        raise GonkitError(
            f"{name} is not in {root.resolve()}, laid out as torchaudio does; set signal.root to the folder where it "
            "is, or signal.download = true in a recipe of yours to fetch it"
        ) from None
    return LabeledFolder.of(folder, names, "recordings", label, splits=splits)


def read_recordings(
    paths: Sequence[Path], rate: int, stream: bool, clip: int | None = None
) -> tuple[list[Recording], list[str]]:
    """Recordings of all usable files, and a message about each other file.

    Args:
        paths: of the files.
        rate: sampling rate of the signals, in Hz.
        stream: whether to read only headers now.
        clip: how many samples of each are used, from its beginning; None for all.
    """
    contents = list(zip(paths, _read_all(file_versions(paths), rate, stream, clip), strict=True))
    problems = [str(content) for _, content in contents if isinstance(content, GonkitError)]
    return [Recording(path, rate, *content) for path, content in contents if isinstance(content, tuple)], problems


def split_held_out(
    fields: Sequence[Mapping[str, str]], split: Split, held_out: Mapping[str, Sequence[str]]
) -> list[int]:
    """Numbers of the recordings of a split, where some are held out for testing.

    Args:
        fields: parts of each recording's name.
        split: which part.
        held_out: values of parts whose recordings are the test split, such as {"speaker": ["ann"]}; the rest is divided
            at random into training and validation.

    Raises:
        GonkitError: too few recordings.
    """
    test = [any(one.get(key) in values for key, values in held_out.items()) for one in fields]
    rest = [i for i, is_test in enumerate(test) if not is_test]
    if not any(test) or len(rest) < 2:
        first = dict(fields[0]) if fields else {}
        raise GonkitError(
            f"signal.test = {dict(held_out)} holds out {sum(test)} of {len(fields)} recordings; at least one must be "
            f"held out and two left. What signal.label tells of the first file is {first}"
        )
    if split == "test":
        return [i for i, is_test in enumerate(test) if is_test]
    drawn = split_indices(max(3, len(rest)), "val").tolist()
    validation = {rest[i] for i in drawn if i < len(rest)} or {rest[0]}
    return [i for i in rest if (i in validation) == (split == "val")]


@lru_cache(maxsize=1)  # the three splits share one reading
def _read_all(
    files: FileVersions, rate: int, stream: bool, clip: int | None
) -> list[tuple[int, Tensor | None] | GonkitError]:
    """Number of samples of each file and, unless they are streamed, the samples; or why it cannot be used."""

    def read(path: Path) -> tuple[int, Tensor | None] | GonkitError:
        try:
            if stream:
                return resampled_length(path, rate), None
            samples = read_audio(path, rate, clip)
            return len(samples), samples
        except GonkitError as error:
            return error

    return [read(path) for path, *_ in files]
