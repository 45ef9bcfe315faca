"""gonkit check: files, or a signal type, before training."""

from __future__ import annotations

__all__ = ["CHECK"]

from pathlib import Path
from typing import TYPE_CHECKING

from gonkit.commands.command import Command, natural
from gonkit.commands.output import print_json, print_table
from gonkit.errors import GonkitError, TrainingInterrupted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from gonkit.data import LabeledFolder, Signal
    from gonkit.recipe import Recipe

MAX_SECONDS = 60
TRIAL = {  # of a type without a recipe
    "field": {"width": 64, "layers": 3},
    "latent": {"dim": 16},
    "train": {"optimizer": "muon", "learning_rate": 2e-3, "warmup": 10},
}


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", help="a folder of files, a signal type (file.py:Class, module:Class), or a recipe")
    parser.add_argument("--label", help="of a folder: what labels the files, as signal.label in a recipe")
    parser.add_argument("--type", help="of a folder: signal type (default: the one that reads most of the files)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="of a type or recipe: override a key, as in signal.size=32",
    )
    parser.add_argument("--steps", type=natural, default=200, help="of a short training (default 200; 0 for none)")
    parser.add_argument(
        "--seconds", type=natural, default=20, help=f"that it may take (default 20, at most {MAX_SECONDS})"
    )
    parser.add_argument("--json", action="store_true", help="of a folder: print one JSON object")


def _check(options: argparse.Namespace) -> None:
    if Path(options.what).is_dir():
        _check_folder(Path(options.what), options)
    elif options.what.endswith(".toml") or ":" in options.what:
        _check_type(_recipe(options.what, options.overrides), options)
    else:
        raise GonkitError(f"{options.what}: no such folder; a signal type is named file.py:Class or module:Class")


def _recipe(what: str, overrides: Sequence[str]) -> Recipe:
    """The recipe that a user names, or a small one for the signal type that they name."""
    from gonkit.recipe import read_recipe, recipe_from_dict

    if what.endswith(".toml"):
        return read_recipe(what, overrides)
    return recipe_from_dict({"name": "check", "signal": {"type": what}, **TRIAL}, overrides, source=what)


def _check_type(recipe: Recipe, options: argparse.Namespace) -> None:
    """Holds a signal type to its contract, describes its data, and learns a few signals by heart."""
    from gonkit.data import check_contract
    from gonkit.pipeline import DatasetSplits, describe_datasets, describe_values, try_task

    datasets = DatasetSplits.read(recipe.signal)
    check_contract(recipe.signal, datasets.by_name())
    lines = [*describe_datasets(datasets), *describe_values(datasets.train, recipe.signal.output_type.value_range)]
    print("\n".join([*lines, f"contract: kept by {type(recipe.signal).__name__}"]), flush=True)
    if options.steps and recipe.objective.requires("values"):
        try:
            trial = try_task(recipe, datasets.train, options.steps, min(options.seconds, MAX_SECONDS))
        except TrainingInterrupted:
            raise KeyboardInterrupt from None
        print(
            f"{trial.signals} signals learned by heart, {trial.steps} steps in {trial.seconds:.0f} s: RMSE "
            f"{trial.rmse:.4g}, PSNR {trial.psnr:.1f} dB\ntheir mean: RMSE {trial.mean_rmse:.4g}, PSNR "
            f"{trial.mean_psnr:.1f} dB\n{trial.verdict}"
        )


def _check_folder(folder: Path, options: argparse.Namespace) -> None:
    """Inspects each file of a folder, and says how training would divide them."""
    from gonkit.data import LabeledFolder, visible_files

    if options.overrides and not options.type:
        raise GonkitError("--set: name the signal type whose setting it is with --type")
    known = [_recipe(options.type, options.overrides).signal] if options.type else [kind() for kind in _known_types()]
    signals = [task.input_type for task in known]
    files = visible_files(folder)
    readable = {
        number: [p for p in files if p.suffix.lower() in s.files.read_suffixes] for number, s in enumerate(signals)
    }
    best = max(readable, key=lambda number: len(readable[number]))
    signal, paths = signals[best], readable[best]
    if not paths:
        names = " or ".join(type(signal).__name__ for signal in signals)
        raise GonkitError(f"{folder}: no files in it or below that {names} reads")
    found = LabeledFolder.find(folder, signal.files.read_suffixes, "files", options.label)
    rows, bad = {}, len(found.problems)
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            rows[name] = dict(signal.files.inspect(path))
        except GonkitError as error:
            rows[name] = {"verdict": str(error).removeprefix(f"{path}: ")}
            bad += 1
    if options.json:
        print_json(rows)
    else:
        print_table(rows, "file")
        print(*_arrangement(found), sep="\n")
    if bad:
        raise GonkitError(f"{bad} of {len(paths)} files cannot be used")


def _arrangement(found: LabeledFolder) -> list[str]:
    """How training would divide files: what is left out, splits and classes."""
    names = list(found.fields)
    if len(names) < 3:
        division = "fewer than 3 files: too few to train, validate and test"
    else:
        counts = [f"{split} {len(found.split(names, split))}" for split in ("train", "val", "test")]
        classes, labels = found.classes(names)
        numbers = [f"{name} {(labels or []).count(number)}" for number, name in enumerate(classes)]
        division = f"splits: {', '.join(counts)}; classes: {', '.join(numbers) or 'none'}"
    return [*found.problems, *found.remarks, division]


def _known_types() -> list[type[Signal]]:
    """The signal types of installed packages, gonkit's own among them."""
    from importlib.metadata import entry_points

    from gonkit.data import Signal
    from gonkit.imports import import_class

    return [import_class(entry.value, Signal) for entry in entry_points(group="gonkit.signals")]


CHECK = Command("check", "Inspect files or a signal type before training.", _add_check_arguments, _check)
