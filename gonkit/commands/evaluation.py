"""gonkit evaluate | latents | check: how good a model is, its latents as a file, and files before training."""

from __future__ import annotations

__all__ = ["CHECK", "EVALUATE", "LATENTS"]

from pathlib import Path
from typing import TYPE_CHECKING

from gonkit.commands.command import Command, add_data_arguments, add_model_arguments, positive, shares
from gonkit.commands.output import open_model, print_json, print_metrics, print_table
from gonkit.errors import GonkitError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from gonkit.data import Signal


def _add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    add_data_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--observed",
        type=shares,
        metavar="SHARE,...",
        help="instead, how well signals are predicted from these shares of their points",
    )
    parser.add_argument("--samples", action="store_true", help="instead, how close samples are to real signals")
    parser.add_argument("--count", type=positive, default=2000, help="samples to evaluate (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    parser.add_argument(
        "--prior", choices=("normal", "gmm", "flow", "unit"), help="fit this prior first (default: the model's)"
    )
    parser.add_argument("--per-class", action="store_true", help="with --prior, a density for each label")
    parser.add_argument(
        "--classifier",
        type=Path,
        help="a classifier.safetensors whose features are compared (default: the run's, trained if there is none)",
    )


def _evaluate(options: argparse.Namespace) -> None:
    from gonkit.evaluation import evaluate, partial_observation_curve

    if options.samples:
        _evaluate_samples(options)
        return
    model = open_model(options)
    if not options.observed:
        print_metrics(evaluate(model.gon, model.recipe, model.dataset("test")), as_json=options.json)
        return
    model.require("reconstruct")
    rows = partial_observation_curve(model.gon, model.task, model.dataset("test"), options.observed)
    if options.json:
        print_json({"observed": rows})
    else:
        table = {f"{row['observed']:g}": {k: f"{v:.4g} dB" for k, v in row.items() if k != "observed"} for row in rows}
        print_table(table, "observed")


def _evaluate_samples(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from gonkit.evaluation import evaluate_samples, load_or_train_classifier, refit_prior

    model = open_model(options)
    model.require("sample")
    train, test = model.dataset("train"), model.dataset("test")
    if options.prior:
        model = replace(model, prior=refit_prior(model, options.prior, options.per_class))
    classifier = load_or_train_classifier(model, train, options.classifier, options.run)
    metrics = evaluate_samples(model, train, test, classifier, options.count, options.seed)
    print_metrics(metrics, as_json=options.json)


def _add_latents_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    add_data_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("latents.npz"), help="a .npz or .h5 file")


def _latents(options: argparse.Namespace) -> None:
    from gonkit.evaluation import encode_splits, write_latents

    tables = encode_splits(open_model(options))
    write_latents(options.out, tables)
    print(f"{options.out}: " + ", ".join(f"{len(table.latent)} {split}" for split, table in tables.items()))


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)
    parser.add_argument("--type", help="signal type, as in a recipe (default: the one that reads most of the files)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _check(options: argparse.Namespace) -> None:
    from gonkit.data import Signal, ignored_files, visible_files
    from gonkit.imports import import_class

    if not options.folder.is_dir():
        raise GonkitError(f"{options.folder}: no such folder")
    signals = [import_class(options.type, Signal)()] if options.type else [kind() for kind in _known_types()]
    files = visible_files(options.folder)
    readable = {
        number: [p for p in files if p.suffix.lower() in s.files.read_suffixes] for number, s in enumerate(signals)
    }
    best = max(readable, key=lambda number: len(readable[number]))
    signal, paths = signals[best], readable[best]
    if not paths:
        names = " or ".join(type(signal).__name__ for signal in signals)
        raise GonkitError(f"{options.folder}: no files in it or below that {names} reads")
    rows, bad = {}, 0
    for path in paths:
        name = str(path.relative_to(options.folder))
        try:
            rows[name] = dict(signal.files.inspect(path))
        except GonkitError as error:
            rows[name] = {"verdict": str(error).removeprefix(f"{path}: ")}
            bad += 1
    if options.json:
        print_json(rows)
    else:
        print_table(rows, "file")
        ignored = ignored_files(options.folder, signal.files.read_suffixes)
        for line in filter(None, (ignored, _arrangement(list(rows)), _duplicates(options.folder, list(rows)))):
            print(line)
    if bad:
        raise GonkitError(f"{bad} of {len(paths)} files cannot be used")


def _arrangement(names: Sequence[str]) -> str:
    """How training would divide files, by their paths below the folder: splits and classes."""
    from gonkit.data import folder_classes, folder_split

    if len(names) < 3:
        return "fewer than 3 files: too few to train, validate and test"
    counts = [f"{split} {len(folder_split(Path(), names, split))}" for split in ("train", "val", "test")]
    classes, labels = folder_classes(names)
    numbers = [f"{name} {(labels or []).count(number)}" for number, name in enumerate(classes)]
    return f"splits: {', '.join(counts)}; classes: {', '.join(numbers) or 'none'}"


def _duplicates(folder: Path, names: Sequence[str]) -> str:
    """The files of equal content that training would put into different splits."""
    from typing import get_args

    from gonkit.data import Split, duplicate_files, folder_split

    if len(names) < 3:
        return ""
    numbers = {split: folder_split(folder, names, split).tolist() for split in get_args(Split)}
    return duplicate_files({split: [(names[i], folder / names[i]) for i in some] for split, some in numbers.items()})


def _known_types() -> list[type[Signal]]:
    """The signal types of installed packages, gonkit's own among them."""
    from importlib.metadata import entry_points

    return [entry.load() for entry in entry_points(group="gonkit.signals")]


EVALUATE = Command("evaluate", "Print metrics of the test signals, or of samples.", _add_evaluate_arguments, _evaluate)
LATENTS = Command(
    "latents", "Write the latents of all splits, with labels and names.", _add_latents_arguments, _latents
)
CHECK = Command("check", "Inspect a folder's files before training on them.", _add_check_arguments, _check)
