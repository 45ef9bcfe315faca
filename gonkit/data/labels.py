"""The files of a folder of data with their labels and splits, by one rule for all signal types."""

from __future__ import annotations

__all__ = ["LabelRule", "LabeledFolder", "check_label_rule"]

import csv
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, NamedTuple

from pydantic import AfterValidator
from torch import Tensor

from gonkit.data.folder import SPLIT_FOLDERS, files_in, folder_split, ignored_files, split_folders
from gonkit.data.splits import Split, abbreviate, report_skipped_files
from gonkit.errors import GonkitError, reading
from gonkit.files import printable

Fields = Mapping[str, str]
LEVEL = re.compile(r"folder:(-?[1-9]\d*)")


def check_label_rule(rule: str | None) -> str | None:
    """The rule itself.

    Raises:
        ValueError: it has none of the forms of a `LabelRule`.
    """
    if rule is None or LEVEL.fullmatch(rule) or rule.lower().endswith(".csv"):
        return rule
    names = re.findall(r"\{(.*?)\}", rule)
    if not names or len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise ValueError(
            f'got {rule!r}; expected a folder as in "folder:1", different names in braces as in "{{label}}_{{take}}", '
            "or a .csv file"
        )
    return rule


LabelRule = Annotated[str | None, AfterValidator(check_label_rule)]
"""A setting that says how the files of a folder are labeled.

- None: by the first folder below those of splits; not at all unless every file lies in one.
- `folder:2`: by the second folder below those of splits; `folder:-1` by the innermost.
- `{label}_{speaker}_{take}`: by a part of their names. The pattern is that of a whole name without its suffix, with as
  many folders as it has itself, as in `{speaker}/{label}_{take}`. Without `{label}` there are no labels.
- `labels.csv`: by a table, whose path may be relative to the folder, with the columns `file`, a path below the folder,
  and `label`; and `split` (train, val or test), if it also divides them. Files that are not in it are left out.
"""


class _Labels(NamedTuple):
    """What a rule says about files, by their names below the folder.

    Attributes:
        fields: parts of a name, `label` among them; only of files that the rule fits.
        problems: one message for each other file.
        splits: of each file, where the rule knows them.
        left_out: how many files are not to be used.
    """

    fields: dict[str, Fields]
    problems: Sequence[str] = ()
    splits: Mapping[str, Split] = {}
    left_out: int = 0


@dataclass(frozen=True)
class LabeledFolder:
    """The files of a folder of data, each with its name, the posix path below the folder.

    Attributes:
        folder: the folder.
        noun: what the files are, in the plural, for messages.
        fields: what the label rule says about each file, by name: `label` and other parts.
        splits: of each file, where the rule or the data set knows them; empty where `folder_split` decides.
        problems: a message for each file that the rule does not fit.
        remarks: on files that are left out.

    Example:
        >>> names = ["cat/ann/1.png", "cat/bob/2.png", "dog/bob/3.png"]
        >>> LabeledFolder.of(Path("data"), names, "files").classes(names)
        (('cat', 'dog'), [0, 0, 1])
        >>> LabeledFolder.of(Path("data"), names, "files", "folder:-1").classes(names)
        (('ann', 'bob'), [0, 1, 1])
    """

    folder: Path
    noun: str
    fields: Mapping[str, Fields]
    splits: Mapping[str, Split] = field(default_factory=dict)
    problems: Sequence[str] = ()
    remarks: Sequence[str] = ()

    @staticmethod
    def find(
        folder: Path, suffixes: Collection[str], noun: str, rule: str | None = None, alternatives: Sequence[str] = ()
    ) -> LabeledFolder:
        """The files that end in one of some suffixes; see `files_in` for the arguments and `LabelRule` for the rule.

        Raises:
            GonkitError: no such folder, no such file in it, or a table of labels that does not fit the files.
        """
        names = [path.relative_to(folder).as_posix() for path in files_in(folder, suffixes, noun, alternatives)]
        table = _table_path(folder, rule)
        ignored = ignored_files(folder, suffixes, known=() if table is None else (table,))
        return LabeledFolder.of(folder, names, noun, rule, remarks=[ignored] if ignored else [])

    @staticmethod
    def of(
        folder: Path,
        names: Sequence[str],
        noun: str,
        rule: str | None = None,
        *,
        splits: Mapping[str, Split] | None = None,
        remarks: Sequence[str] = (),
    ) -> LabeledFolder:
        """Files of known names.

        Args:
            folder: the folder.
            names: posix paths below the folder.
            noun: what the files are, in the plural, for messages.
            rule: of their labels.
            splits: of each file, where the data set assigns them.
            remarks: on files that are left out.

        Raises:
            GonkitError: a table of labels that does not fit the files, or files beside folders of splits.
        """
        if (table := _table_path(folder, rule)) is not None:
            labels = _by_table(table, folder, names, noun)
        elif rule is None or LEVEL.fullmatch(rule):
            labels = _by_folder(folder, names, None if rule is None else int(rule.removeprefix("folder:")))
        else:
            labels = _by_pattern(folder, names, rule)
        left_out = [f"{labels.left_out} {noun} are not in {table} and were left out"] if labels.left_out else []
        return LabeledFolder(
            folder, noun, labels.fields, splits or labels.splits, labels.problems, [*left_out, *remarks]
        )

    @property
    def paths(self) -> list[Path]:
        """Of the files."""
        return [self.folder / name for name in self.fields]

    def name(self, path: Path) -> str:
        """The name of a file by its path."""
        return path.relative_to(self.folder).as_posix()

    def split(self, names: Sequence[str], split: Split, shares: tuple[float, float] = (0.1, 0.1)) -> Tensor:
        """Numbers of those of some files that belong to a split; see `folder_split`."""
        assigned = [self.splits[name] for name in names] if self.splits else None
        return folder_split(self.folder, names, split, shares, assigned)

    def classes(self, names: Sequence[str]) -> tuple[tuple[str, ...], list[int] | None]:
        """Sorted class names, and the label of each of some files; no names and None where files have no labels."""
        given = [self.fields[name].get("label") for name in names]
        labels = [None if label is None else printable(label) for label in given]
        classes = sorted({label for label in labels if label is not None})
        if not classes or None in labels:
            return (), None
        numbers = {name: number for number, name in enumerate(classes)}
        return tuple(classes), [numbers[label] for label in labels if label is not None]

    def note(self, problems: Sequence[str], skip: bool) -> str:
        """What a user should know about files that are not used.

        Args:
            problems: a message for each file that cannot be read.
            skip: whether the user asked to go on without bad files.

        Raises:
            GonkitError: bad files, and `skip` is false.
        """
        total = len(self.fields) + len(self.problems)
        skipped = report_skipped_files([*self.problems, *problems], total, self.noun, skip)
        return "; ".join(filter(None, (skipped, *self.remarks)))


def _table_path(folder: Path, rule: str | None) -> Path | None:
    """The table of labels that a rule names, if it names one."""
    return folder / Path(rule).expanduser() if rule is not None and rule.lower().endswith(".csv") else None


def _by_folder(folder: Path, names: Sequence[str], level: int | None) -> _Labels:
    """Labels from folders, counted from 1 below those of splits, or from -1 up; None for the first, if all have one."""
    try:
        top = 0 if split_folders(names) is None else 1
    except GonkitError as error:
        raise GonkitError(f"{folder}: {error}") from None
    folders = {name: PurePosixPath(name).parts[top:-1] for name in names}
    if level is None:
        labeled = all(folders.values())
        return _Labels({name: {"label": parts[0]} if labeled else {} for name, parts in folders.items()})
    index = level - 1 if level > 0 else level
    fitting = {n: {"label": parts[index]} for n, parts in folders.items() if -len(parts) <= index < len(parts)}
    problems = [
        f'{folder / name}: signal.label = "folder:{level}" needs {abs(level)} folders around it; got {len(parts)}'
        for name, parts in folders.items()
        if name not in fitting
    ]
    return _Labels(dict(fitting), problems)


def _by_pattern(folder: Path, names: Sequence[str], pattern: str) -> _Labels:
    """Labels and other parts from names."""
    pieces = re.split(r"\{(.*?)\}", pattern)
    expression = "".join(f"(?P<{piece}>[^/]+?)" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces))
    matches = {name: re.fullmatch(f"(?:.*/)?{expression}", str(PurePosixPath(name).with_suffix(""))) for name in names}
    problems = [
        f"{folder / name}: its name does not match signal.label = {pattern!r}"
        for name, match in matches.items()
        if match is None
    ]
    return _Labels({name: match.groupdict() for name, match in matches.items() if match}, problems)


def _by_table(path: Path, folder: Path, names: Sequence[str], noun: str) -> _Labels:
    """Labels, splits and other columns from a table."""
    rows = _read_table(path)
    if unknown := sorted(rows.keys() - set(names)):
        raise GonkitError(
            f"{path}: {len(unknown)} of {len(rows)} files are not among the {noun} in {folder}: {abbreviate(unknown)}"
        )
    used = [name for name in names if name in rows]
    fields = {
        name: {key: text for key, text in rows[name].items() if key not in ("", "file", "split")} for name in used
    }
    splits = {name: SPLIT_FOLDERS[rows[name]["split"].lower()] for name in used if "split" in rows[name]}
    if splits and "train" not in splits.values():
        raise GonkitError(f"{path}: no row has the split train")
    return _Labels(dict(fields), splits=splits, left_out=len(names) - len(used))


def _read_table(path: Path) -> dict[str, Fields]:
    """The rows of a table by their file."""
    with reading(path, "a table of labels (signal.label)"), path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restkey="", restval="")
        columns = [column.strip() for column in reader.fieldnames or ()]
        rows = [{key.strip(): str(text).strip() for key, text in row.items()} for row in reader]
    if not {"file", "label"} <= set(columns):
        got = ", ".join(columns) or "an empty file"
        raise GonkitError(
            f"{path}: needs the columns file and label, separated by commas, and may have split; got {got}"
        )
    splits = ", ".join(sorted(set(SPLIT_FOLDERS)))
    wrong: list[tuple[Callable[[Fields], bool], str]] = [
        (lambda row: not row["file"], "without a file"),
        (lambda row: not row["label"], "without a label"),
        (lambda row: row.get("split", "train").lower() not in SPLIT_FOLDERS, f"of a split that is none of {splits}"),
    ]
    for is_wrong, what in wrong:
        if bad := [f"{number} ({row['file'] or 'no file'})" for number, row in enumerate(rows, 2) if is_wrong(row)]:
            raise GonkitError(f"{path}: {len(bad)} rows {what}: {abbreviate(bad)}")
    files = [PurePosixPath(row["file"].replace("\\", "/")).as_posix() for row in rows]
    if several := sorted(file for file, count in Counter(files).items() if count > 1):
        raise GonkitError(f"{path}: {len(several)} files have several rows: {abbreviate(several)}")
    return dict(zip(files, rows, strict=True))
