"""gonkit check: files, or a signal type, before training."""

from __future__ import annotations

__all__ = ["CHECK"]

import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from gonkit.commands.command import Command, add_override_argument, natural
from gonkit.commands.output import print_json, print_table
from gonkit.errors import GonkitError, TrainingInterrupted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from gonkit.data import LabeledFolder, Signal
    from gonkit.recipe import Recipe

MAX_SECONDS = 60
MIN_FILES = 3  # one each to train, validate and test
TRIAL = {  # of a type without a recipe
    "field": {"width": 64, "layers": 3},
    "latent": {"dim": 16},
    "train": {"optimizer": "muon", "learning_rate": 2e-3, "warmup": 10},
}


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", help="a folder or file of data, a signal type (file.py:Class, module:Class), or a recipe"
    )
    parser.add_argument("--type", help="of data: signal type (default: the one that reads most of the files)")
    add_override_argument(parser, "signal.size=32")
    parser.add_argument(
        "--write", type=Path, metavar="FILE.toml", help="of data: write a recipe to begin with; never over a file"
    )
    parser.add_argument(
        "--steps", type=natural, default=200, help="of a type's short training (default 200; 0 for none)"
    )
    parser.add_argument(
        "--seconds", type=natural, default=20, help=f"that it may take (default 20, at most {MAX_SECONDS})"
    )
    parser.add_argument("--json", action="store_true", help="of data: print one JSON object about the files")


def _check(options: argparse.Namespace) -> None:
    path = Path(options.what).expanduser()
    if options.what.endswith(".toml") or (":" in options.what and not path.exists()):
        _check_type(_recipe(options.what, options.overrides), options.steps, options.seconds)
    elif path.exists() and path.suffix != ".py":
        _check_data(path, options)
    else:
        raise GonkitError(
            f"{options.what}: no such folder or file; a signal type is named file.py:Class or module:Class"
        )


def _recipe(what: str, overrides: Sequence[str]) -> Recipe:
    """The recipe that a user names, or a small one for the signal type that they name."""
    from gonkit.recipe import read_recipe, recipe_from_dict

    if what.endswith(".toml"):
        return read_recipe(what, overrides)
    return recipe_from_dict({"name": "check", "signal": {"type": what}, **TRIAL}, overrides, source=what)


def _check_type(recipe: Recipe, steps: int, seconds: int) -> None:
    """Holds a signal type to its contract, describes its data, and learns a few signals by heart."""
    from gonkit.data import check_contract
    from gonkit.pipeline import DatasetSplits, describe_datasets, describe_values, try_task

    datasets = DatasetSplits.read(recipe.signal)
    check_contract(recipe.signal, datasets.by_name())
    lines = [*describe_datasets(datasets), *describe_values(datasets.train, recipe.signal.output_type.value_range)]
    lines += [f"note: {note}" for note in datasets.notes()]
    print("\n".join([*lines, f"contract: kept by {type(recipe.signal).__name__}"]), flush=True)
    if not steps or not recipe.objective.requires("values"):
        return
    try:
        trial = try_task(recipe, datasets.train, steps, min(seconds, MAX_SECONDS))
    except TrainingInterrupted:
        raise KeyboardInterrupt from None
    reached, by_mean = (
        f"RMSE {rmse:.4g}, PSNR {psnr:.1f} dB"
        for rmse, psnr in ((trial.rmse, trial.psnr), (trial.mean_rmse, trial.mean_psnr))
    )
    print(f"{trial.signals} signals learned by heart, {trial.steps} steps in {trial.seconds:.0f} s: {reached}")
    print(f"their mean: {by_mean}\n{trial.verdict}")


def _check_data(path: Path, options: argparse.Namespace) -> None:
    """Inspects each file, and says what training would say about the data; proposes a recipe."""
    from gonkit.files import write_bytes

    recipe = _recipe_for(path, options)
    signal = recipe.signal.input_type
    rows, bad = _inspect_files(path, signal) if path.is_dir() else ({}, 0)
    if options.json:
        print_json(rows)
    elif rows:
        print_table(rows, "file")
    if bad:
        raise GonkitError(f"{bad} of {len(rows)} files cannot be used")
    if not options.json:
        _describe_data(path, recipe, len(rows))
    if options.write is not None:
        if options.write.exists():
            raise GonkitError(f"{options.write}: exists; name another file")
        write_bytes(options.write, recipe.toml(defaults=False).encode())
        print(f"recipe: {options.write}; train it with: gonkit run {options.write}")


def _inspect_files(path: Path, signal: Signal) -> tuple[dict[str, dict[str, str]], int]:
    """What each file of a folder is found to be, by its name, and how many cannot be used."""
    from gonkit.data import visible_files

    rows, bad = {}, 0
    for file in visible_files(path):
        if file.suffix.lower() not in signal.files.read_suffixes:
            continue
        name = str(file.relative_to(path))
        try:
            rows[name] = dict(signal.files.inspect(file))
        except GonkitError as error:
            rows[name] = {"verdict": str(error).removeprefix(f"{file}: ")}
            bad += 1
    return rows, bad


def _describe_data(path: Path, recipe: Recipe, files: int) -> None:
    """What training would say: the same words, from the same code, where nothing needs to be prepared for that."""
    from gonkit.data import LabeledFolder

    signal = recipe.signal.input_type
    if not signal.prepares_data and (files >= MIN_FILES or not path.is_dir()):
        _check_type(recipe, 0, 0)
        return
    label = getattr(signal, "label", None)
    found = LabeledFolder.find(path, signal.files.read_suffixes, "files", label)
    print(*_arrangement(found), sep="\n")


def _arrangement(found: LabeledFolder) -> list[str]:
    """How training would divide files: what is left out, splits and classes, and equal files in two of them."""
    from gonkit.data import Split, duplicate_files

    names, paths = list(found.fields), found.paths
    if len(names) < MIN_FILES:
        return [*found.problems, *found.remarks, "fewer than 3 files: too few to train, validate and test"]
    numbers = {split: found.split(names, split).tolist() for split in get_args(Split)}
    classes, labels = found.classes(names)
    counts = [f"{name} {(labels or []).count(number)}" for number, name in enumerate(classes)]
    sizes = ", ".join(f"{split} {len(some)}" for split, some in numbers.items())
    equal = duplicate_files({split: [(names[i], paths[i]) for i in some] for split, some in numbers.items()})
    division = f"splits: {sizes}; classes: {', '.join(counts) or 'none'}"
    return [*found.problems, *found.remarks, division, *filter(None, [equal])]


def _recipe_for(path: Path, options: argparse.Namespace) -> Recipe:
    """A recipe for data: of the type that is named, or of the first that takes them, of those that read most files."""
    from gonkit.data import Signal, read_dataset, visible_files
    from gonkit.imports import import_class

    known = {options.type: import_class(options.type, Signal)} if options.type else _known_types()
    names = list(known)
    if path.is_dir():
        suffixes = [file.suffix.lower() for file in visible_files(path)]
        counts = {
            name: sum(suffix in kind().files.read_suffixes for suffix in suffixes) for name, kind in known.items()
        }
        names = sorted((name for name in names if counts[name]), key=lambda name: -counts[name])
    problems = []
    for name in names:
        try:
            recipe = _propose(name, path, options.overrides)
            if not path.is_dir():
                read_dataset(recipe.signal, "train")
            return recipe
        except GonkitError as error:
            problems.append(f"{known[name].__name__}: {error}" if len(names) > 1 else str(error))
    readers = " or ".join(kind.__name__ for kind in known.values())
    raise GonkitError("\n".join(problems) or f"{path}: no files in it or below that {readers} reads")


def _propose(name: str, path: Path, overrides: Sequence[str]) -> Recipe:
    """A recipe for data of a type, with the sections that the type suggests."""
    from gonkit.recipe import recipe_from_dict

    path = path.resolve()
    title = re.sub(r"[^\w.-]", "-", path.stem) or "data"
    signal = {"type": name, "data": str(path)}
    suggested = recipe_from_dict({"name": title, "signal": signal}, overrides).signal.input_type.suggested_recipe
    sections = {section: dict(keys) for section, keys in suggested.items()}
    return recipe_from_dict(sections | {"name": title, "signal": sections.get("signal", {}) | signal}, overrides)


def _known_types() -> dict[str, type[Signal]]:
    """The signal types of installed packages, gonkit's own among them, by the names that recipes give them."""
    from importlib.metadata import entry_points

    from gonkit.data import Signal
    from gonkit.imports import import_class

    return {entry.value: import_class(entry.value, Signal) for entry in entry_points(group="gonkit.signals")}


CHECK = Command("check", "Inspect files or a signal type before training.", _add_check_arguments, _check)
