"""gonkit sample | reconstruct | convert | classify | ...: what a trained run is good for."""

from __future__ import annotations

__all__ = ["main"]

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gonkit import commands


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0 done, 2 a mistake of the user's, 3 interrupted."""
    options = _parser().parse_args(arguments)
    from gonkit.signal import SignalError

    try:
        options.command(options)
    except SignalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gonkit", description="Use a trained run. To train: python -m gonkit.run RECIPE")
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def overlap(text: str) -> float:
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 0.95:
            raise argparse.ArgumentTypeError(f"got {text!r}; expected a number from 0 to 0.95")
        return share

    def share(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number <= 1:
            raise argparse.ArgumentTypeError(f"got {text!r}; expected a share above 0 and at most 1")
        return number

    def shares(text: str) -> list[float]:
        return [share(part) for part in text.split(",")]

    def box(text: str) -> list[tuple[float, float]]:
        try:
            sides = [(float(low), float(high)) for low, high in (part.split(":") for part in text.split(","))]
        except ValueError:
            sides = [(1.0, 0.0)]
        if not all(0 <= low < high <= 1 for low, high in sides):
            raise argparse.ArgumentTypeError(f"got {text!r}; expected LOW:HIGH for each axis, from 0 to 1, with commas")
        return sides

    def command(name: str, function: Any, text: str, *, objects: bool = True) -> argparse.ArgumentParser:
        made = parsers.add_parser(name, help=text, description=text)
        made.set_defaults(command=function)
        made.add_argument("run", type=Path, help="a run folder or a model file")
        made.add_argument("--device", default="auto", help="cpu, cuda, or auto (default)")
        if objects:
            made.add_argument("--out", type=Path, default=Path(name), help=f"folder for the files (default: {name})")
            made.add_argument("--resolution", type=_positive, help="other than the training one")
            made.add_argument(
                "--chunk",
                type=_positive,
                help="points computed at once (default: what is fastest here); bounds the memory",
            )
            made.add_argument("--suffix", help="of the files written, such as .png or .flac (default: the type's own)")
        return made

    sample = command("sample", commands.sample, "Draw new signals from the prior.")
    sample.add_argument("--count", type=_positive, default=16)
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument(
        "--temperature", type=float, default=1.0, help="spread; below 1 more typical, above 1 more diverse"
    )
    sample.add_argument(
        "--truncation", type=float, metavar="T", help="draw from within T standard deviations, as in 1.5"
    )
    sample.add_argument("--label", metavar="CLASS", help="by name or number, where the prior has a density per class")

    reconstruct = command("reconstruct", commands.reconstruct, "Encode files and decode them again.")
    reconstruct.add_argument("files", type=Path, nargs="+")
    reconstruct.add_argument(
        "--scaled", action="store_true", help="bring files to the training size, for one latent, instead of tiling them"
    )
    reconstruct.add_argument(
        "--overlap", type=overlap, default=0.5, help="share of a tile that the next one covers again (default 0.5)"
    )
    reconstruct.add_argument(
        "--observed", type=share, default=1.0, metavar="SHARE", help="encode from this share of the points, at random"
    )
    reconstruct.add_argument(
        "--hide",
        type=box,
        default=[],
        metavar="LOW:HIGH,...",
        help="encode without this part of each axis, from 0 to 1, and predict it",
    )
    reconstruct.add_argument("--skip-bad", action="store_true", help="go on with the other files where one is bad")
    reconstruct.add_argument("--json", action="store_true", help="print one JSON object")

    convert = command("convert", commands.convert, "Convert files of one type of signal to another.")
    convert.add_argument("files", type=Path, nargs="+")
    convert.add_argument(
        "--count", type=_positive, default=0, help="results of each file, with latents from the prior (default: one)"
    )
    convert.add_argument("--seed", type=int, default=0)
    convert.add_argument("--temperature", type=float, default=1.0, help="spread of latents from the prior")
    convert.add_argument(
        "--style",
        type=Path,
        nargs=2,
        metavar=("SOURCE", "TARGET"),
        help="take what the file cannot tell from this pair",
    )

    classify = command("classify", commands.classify, "Say which class files belong to.", objects=False)
    classify.add_argument("files", type=Path, nargs="+")
    classify.add_argument("--json", action="store_true", help="print one JSON object")

    interpolate = command(
        "interpolate", commands.interpolate, "Go along the sphere from signal to signal, or class to class."
    )
    interpolate.add_argument("files", type=Path, nargs="*", metavar="FILE", help="two or more; none for two samples")
    interpolate.add_argument("--steps", type=_positive, default=8, help="from each to the next, both included (8)")
    interpolate.add_argument(
        "--classes", nargs="+", metavar="LABEL", help="from class mean to class mean; with one FILE, as far from there"
    )
    interpolate.add_argument("--seed", type=int, default=0)
    interpolate.add_argument(
        "--path", choices=("slerp", "linear"), default="slerp", help="along the sphere (default) or straight"
    )

    like = command("analogy", commands.analogy, "Do to one signal what another is to a third: a − b + c.")
    like.add_argument("a", type=Path)
    like.add_argument("b", type=Path)
    like.add_argument("c", type=Path)

    evaluate = command("evaluate", commands.evaluate, "Figures on the test signals.", objects=False)
    evaluate.add_argument("--json", action="store_true", help="print one JSON object")
    evaluate.add_argument(
        "--observed",
        type=shares,
        metavar="SHARE,...",
        help="instead, how well signals are predicted from these shares of their points",
    )
    evaluate.add_argument("--samples", action="store_true", help="instead, how far samples are from real signals")
    evaluate.add_argument("--count", type=_positive, default=2000, help="samples to judge (default 2000)")
    evaluate.add_argument("--seed", type=int, default=0, help="of the samples")
    evaluate.add_argument(
        "--prior",
        choices=("normal", "gmm", "flow", "unit"),
        help="fit this prior first (default: the model's)",
    )
    evaluate.add_argument("--per-class", action="store_true", help="with --prior, a density for each label")
    evaluate.add_argument(
        "--judge", type=Path, help="a judge.safetensors to measure with (default: the run's, trained if there is none)"
    )

    latents = command(
        "latents", commands.latents, "Write the latents of all splits, with labels and names.", objects=False
    )
    latents.add_argument("--out", type=Path, default=Path("latents.npz"), help="a .npz or .h5 file")

    figure = parsers.add_parser("figure", help="Train what one of the paper's figures needs, and draw it.")
    figure.set_defaults(command=commands.figure)
    figure.add_argument("number", type=int, choices=range(2, 8), help="of the figure in arXiv 2007.02798")
    figure.add_argument("--out", type=Path, help="folder (default: figures/N)")
    figure.add_argument("--quick", action="store_true", help="fewer steps, to see what it will look like")
    figure.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a recipe's key"
    )
    figure.add_argument("--run", type=Path, help="draw from this run instead of training one (figures 3, 4, 6)")

    export = command(
        "export", commands.export, "Write samples, reconstructions of test signals, or a path between two of them."
    )
    export.add_argument("--what", choices=("samples", "reconstructions", "interpolation"), default="samples")
    export.add_argument("--count", type=_positive, default=8)
    export.add_argument("--seed", type=int, default=0)

    check = parsers.add_parser("check", help="Look at a folder's files before training on them.")
    check.set_defaults(command=commands.check)
    check.add_argument("folder", type=Path)
    check.add_argument("--type", help="signal type, as in a recipe (default: the one that reads most of the files)")
    check.add_argument("--json", action="store_true", help="print one JSON object")

    bench = parsers.add_parser("bench", help="Time gonkit against the literal equation, side by side.")
    bench.set_defaults(command=commands.bench)
    kinds = ("step", "encode", "decode", "table", "data", "objects", "normality")
    bench.add_argument("what", choices=kinds)
    bench.add_argument("path", nargs="?", type=Path, help="a recipe (bench data) or a run (bench objects)")
    bench.add_argument("--own", action="store_true", help="points of each signal's own (bench step)")
    bench.add_argument("--chunk", type=_positive, help="points decoded at once (bench decode)")
    bench.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a recipe's key"
    )
    for flag, default, text in (
        ("batch", 64, "signals, B"),
        ("points", 784, "points of a signal, P"),
        ("channels", 1, "channels, C"),
        ("dims", 2, "coordinate dimensions, D"),
        ("latents", 32, "latent dimensions, K"),
        ("width", 256, "units of a layer"),
        ("layers", 4, "sine layers"),
        ("rounds", 7, "timed rounds, after one that is not"),
        ("signals", 10_000, "signals to encode (bench encode)"),
    ):
        bench.add_argument(f"--{flag}", type=_positive, default=default, help=f"{text} (default {default})")
    bench.add_argument("--device", default="auto", help="cpu, cuda, or auto (default)")
    bench.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
