"""gonkit evaluate | latents: how good a model is, and its latents as a file."""

from __future__ import annotations

__all__ = ["EVALUATE", "LATENTS"]

from pathlib import Path
from typing import TYPE_CHECKING

from gonkit.commands.command import Command, add_data_arguments, add_model_arguments, positive, shares
from gonkit.commands.output import open_model, print_json, print_metrics, print_table

if TYPE_CHECKING:
    import argparse


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


EVALUATE = Command("evaluate", "Print metrics of the test signals, or of samples.", _add_evaluate_arguments, _evaluate)
LATENTS = Command(
    "latents", "Write the latents of all splits, with labels and names.", _add_latents_arguments, _latents
)
