"""gonkit sample | reconstruct | convert | classify: new signals, and files of the user's."""

from __future__ import annotations

__all__ = ["CLASSIFY", "CONVERT", "RECONSTRUCT", "SAMPLE"]

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonkit.commands.command import (
    Command,
    add_model_arguments,
    add_object_arguments,
    box,
    overlap,
    positive,
    share,
)
from gonkit.commands.output import checked_suffix, open_model, print_json, result_stems, write_decoded
from gonkit.errors import GonkitError

if TYPE_CHECKING:
    import argparse


def _add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    add_object_arguments(parser, "sample")
    parser.add_argument("--count", type=positive, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--temperature", type=float, default=1.0, help="spread; below 1 more typical, above more diverse"
    )
    parser.add_argument("--truncation", type=float, metavar="T", help="sample within T standard deviations, as in 1.5")
    parser.add_argument("--label", metavar="CLASS", help="by name or number, if the prior has a density per class")


def _sample(options: argparse.Namespace) -> None:
    model = open_model(options)
    checked_suffix(model, options)  # before anything is computed
    latent = model.sample_latent(
        options.count,
        seed=options.seed,
        temperature=options.temperature,
        truncation=options.truncation,
        label=options.label,
    )
    write_decoded(model, latent, options, "sample")


def _add_reconstruct_arguments(parser: argparse.ArgumentParser) -> None:
    add_object_arguments(parser, "reconstruct")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument(
        "--scaled", action="store_true", help="bring files to the training size, for one latent, instead of tiling them"
    )
    parser.add_argument(
        "--overlap", type=overlap, default=0.5, help="share of a tile that the next one covers again (default 0.5)"
    )
    parser.add_argument(
        "--observed", type=share, default=1.0, metavar="SHARE", help="encode from this share of the points, at random"
    )
    parser.add_argument(
        "--hide",
        type=box,
        default=[],
        metavar="LOW:HIGH,...",
        help="encode without this part of each axis, from 0 to 1, and predict it",
    )
    parser.add_argument("--skip-bad", action="store_true", help="go on with the other files if one is bad")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _reconstruct(options: argparse.Namespace) -> None:
    model = open_model(options)
    model.require("reconstruct")
    suffix = checked_suffix(model, options)
    results: dict[str, Any] = {}
    skipped = 0
    for path, stem in result_stems(options.files).items():
        try:
            written, metrics = model.reconstruct(
                path,
                options.out / stem,
                resolution=options.resolution,
                scaled=options.scaled,
                overlap=options.overlap,
                observed=options.observed,
                hide=options.hide,
                chunk=options.chunk,
                suffix=suffix,
            )
        except GonkitError as error:
            if not options.skip_bad:
                raise
            skipped += 1
            print(f"skipped: {error}", file=sys.stderr)
            continue
        results[str(path)] = {"file": str(written), **metrics}
        if not options.json:
            print(f"{path} → {written}  " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    if options.json:
        print_json(results)
    if skipped:
        print(f"{skipped} of {len(options.files)} files were skipped", file=sys.stderr)


def _add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    add_object_arguments(parser, "convert")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument(
        "--count", type=positive, default=0, help="results per file, with latents sampled from the prior (default: one)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=1.0, help="spread of latents from the prior")
    parser.add_argument(
        "--style",
        type=Path,
        nargs=2,
        metavar=("SOURCE", "TARGET"),
        help="use the latent (style) inferred from this SOURCE, TARGET pair",
    )


def _convert(options: argparse.Namespace) -> None:
    from gonkit.inference import save_objects

    model = open_model(options)
    model.require("convert")
    if (options.count or options.style) and not model.task.conditioning_channels:
        raise GonkitError("--count, --style: this model infers the latent from the source alone; leave them out")
    suffix, files = checked_suffix(model, options), model.task.output_type.files
    latent = None
    if options.style:
        latent = model.encode_pair(*options.style)
    elif options.count:
        latent = model.prior.sample(options.count, seed=options.seed, temperature=options.temperature)
    for path, stem in result_stems(options.files).items():
        inputs = [path] * (1 if latent is None else len(latent))
        objects = model.convert(inputs, latent=latent, resolution=options.resolution, chunk=options.chunk)
        if len(objects) == 1:
            print(f"{path} → {files.save(objects[0], options.out / stem, suffix)}")
        else:
            paths = save_objects(model.task.output_type, objects, options.out, str(stem), suffix, count=len(objects))
            written = [p for p in paths if p is not None]
            print(f"{path} → " + (f"{written[0]} to {written[-1].name}" if written else "nothing"))


def _add_classify_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _classify(options: argparse.Namespace) -> None:
    model = open_model(options)
    probabilities = model.classify(options.files)
    results = {}
    for path, row in zip(options.files, probabilities.tolist(), strict=True):
        results[str(path)] = dict(zip(model.class_names, row, strict=True))
    if options.json:
        print_json(results)
        return
    for name, row in results.items():
        best = sorted(row, key=lambda label: -row[label])[:3]
        print(f"{name}  " + "  ".join(f"{label} {row[label]:.1%}" for label in best))


SAMPLE = Command("sample", "Sample new signals from the prior.", _add_sample_arguments, _sample)
RECONSTRUCT = Command("reconstruct", "Encode files and decode them again.", _add_reconstruct_arguments, _reconstruct)
CONVERT = Command("convert", "Convert files of one type of signal to another.", _add_convert_arguments, _convert)
CLASSIFY = Command("classify", "Print the most probable classes of files.", _add_classify_arguments, _classify)
