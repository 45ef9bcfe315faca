"""Recordings: finding them, reading them, and dividing them into splits."""

from __future__ import annotations

__all__ = ["Recording", "name_fields", "parse_name", "read_recordings", "split_recordings", "torchaudio_files"]

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from gonkit.data import FileVersions, Split, file_versions, split_indices
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
        fields: parts of its name, see `parse_name`.
    """

    path: Path
    rate: int
    length: int
    samples: Tensor | None
    fields: Mapping[str, str]

    @property
    def label(self) -> str:
        """Class name, empty if there is none."""
        return self.fields.get("label", "")

    def window(self, start: int, length: int) -> Tensor:
        """(length,) samples from `start`, zero beyond the end."""
        if self.samples is None:
            return read_segment(self.path, start, length, self.rate)
        return fit_length(self.samples[start:], length)


def torchaudio_files(name: str, root: Path, download: bool) -> dict[Path, Split | None]:
    """Files of a public data set, each with the split that the data set assigns it to, or None.

    Args:
        name: "yesno" or "speechcommands".
        root: folder of the data set, laid out as torchaudio does.
        download: whether to download a data set that is missing.

    Raises:
        GonkitError: not there, or not to be downloaded.
    """
    from torchaudio import datasets

    if download:
        root.mkdir(parents=True, exist_ok=True)
    try:
        if name == "yesno":
            datasets.YESNO(root, download=download)
            return dict.fromkeys(sorted((root / "waves_yesno").glob("*.wav")))
        splits: dict[Path, Split | None] = {}
        subsets: tuple[tuple[str, Split], ...] = (("training", "train"), ("validation", "val"), ("testing", "test"))
        for subset, split in subsets:
            public = datasets.SPEECHCOMMANDS(root, download=download, subset=subset)
            splits |= {root / "SpeechCommands" / public.get_metadata(i)[0]: split for i in range(len(public))}
        return dict(sorted(splits.items()))
    except (RuntimeError, OSError) as error:
        if download:
            raise GonkitError(f"{name} could not be fetched to {root.resolve()}: {error}") from None
        raise GonkitError(
            f"{name} is not in {root.resolve()}, laid out as torchaudio does; set signal.root to the folder where it "
            "is, or signal.download = true to fetch it"
        ) from None


def name_fields(pattern: str) -> list[str]:
    """Names in braces of a pattern.

    Raises:
        ValueError: none, a repeated one, or one that is not an identifier.

    Example:
        >>> name_fields("{label}_{take}")
        ['label', 'take']
    """
    names = re.findall(r"\{(.*?)\}", pattern)
    if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise ValueError(f'got {pattern!r}; expected different names in braces, as in "{{label}}_{{take}}"')
    return names


def parse_name(path: Path, pattern: str) -> dict[str, str]:
    """Parts of a file name, without its suffix, by the names in a pattern.

    Raises:
        GonkitError: the file name does not match.

    Example:
        >>> parse_name(Path("sounds/seven_ann_3.wav"), "{label}_{speaker}_{take}")
        {'label': 'seven', 'speaker': 'ann', 'take': '3'}
    """
    pieces = re.split(r"\{(.*?)\}", pattern)
    expression = "".join(f"(?P<{piece}>.+?)" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces))
    match = re.fullmatch(expression, path.stem)
    if match is None:
        raise GonkitError(f"{path}: its name does not match signal.pattern = {pattern!r}")
    return match.groupdict()


def read_recordings(
    paths: Sequence[Path], rate: int, stream: bool, fields: Callable[[Path], Mapping[str, str]]
) -> tuple[list[Recording], list[str]]:
    """Recordings of all usable files, and a message about each other file.

    Args:
        paths: of the files.
        rate: sampling rate of the signals, in Hz.
        stream: whether to read only headers now.
        fields: parts of a file's name; may raise GonkitError.
    """
    recordings, problems = [], []
    for path, content in zip(paths, _read_all(file_versions(paths), rate, stream), strict=True):
        try:
            if isinstance(content, GonkitError):
                raise content
            recordings.append(Recording(path, rate, *content, fields(path)))
        except GonkitError as error:
            problems.append(str(error))
    return recordings, problems


def split_recordings(
    recordings: Sequence[Recording],
    split: Split,
    assigned: Mapping[Path, Split | None],
    held_out: Mapping[str, Sequence[str]],
) -> list[Recording]:
    """The recordings of a split.

    Args:
        recordings: all of them.
        split: which part.
        assigned: splits that a data set assigns its files to, which then decide alone; None for the others.
        held_out: values of name fields whose recordings are the test split, such as {"speaker": ["ann"]}; the rest is
            divided at random into training and validation. Empty for a random division into three.

    Raises:
        GonkitError: too few recordings.
    """
    if any(assigned.values()):
        return [one for one in recordings if assigned[one.path] == split]
    if not held_out:
        return [recordings[i] for i in split_indices(len(recordings), split).tolist()]
    test = [any(one.fields.get(key) in values for key, values in held_out.items()) for one in recordings]
    rest = [i for i, is_test in enumerate(test) if not is_test]
    if not any(test) or len(rest) < 2:
        first = dict(recordings[0].fields) if recordings else {}
        raise GonkitError(
            f"signal.test = {dict(held_out)} holds out {sum(test)} of {len(recordings)} recordings; at least one must "
            f"be held out and two left. The parts of the first file's name are {first}"
        )
    if split == "test":
        return [one for one, is_test in zip(recordings, test, strict=True) if is_test]
    drawn = split_indices(max(3, len(rest)), "val").tolist()
    validation = {rest[i] for i in drawn if i < len(rest)} or {rest[0]}
    return [recordings[i] for i in rest if (i in validation) == (split == "val")]


@lru_cache(maxsize=1)  # the three splits share one reading
def _read_all(files: FileVersions, rate: int, stream: bool) -> list[tuple[int, Tensor | None] | GonkitError]:
    """Number of samples of each file and, unless they are streamed, the samples; or why it cannot be used."""

    def read(path: Path) -> tuple[int, Tensor | None] | GonkitError:
        try:
            if stream:
                return resampled_length(path, rate), None
            samples = read_audio(path, rate)
            return len(samples), samples
        except GonkitError as error:
            return error

    return [read(path) for path, *_ in files]
