"""gonkit figure | bench: the paper's figures, and timings."""

from __future__ import annotations

__all__ = ["BENCH", "FIGURE"]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gonkit.commands.command import Command, add_trust_argument, positive
from gonkit.commands.output import print_metrics
from gonkit.errors import GonkitError, TrainingInterrupted

if TYPE_CHECKING:
    import argparse

BENCHMARKS = ("step", "encode", "decode", "table", "overhead", "data", "objects", "normality")
SIZES = {
    "batch": (64, "signals, B"),
    "points": (784, "points of a signal, P"),
    "channels": (1, "channels, C"),
    "dims": (2, "coordinate dimensions, D"),
    "latents": (32, "latent dimensions, K"),
    "width": (256, "units of a layer"),
    "layers": (4, "sine layers"),
}


def _add_figure_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=int, choices=range(2, 8), help="of the figure in arXiv 2007.02798")
    parser.add_argument("--out", type=Path, help="folder (default: figures/N)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps, to see what it will look like")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a recipe's key"
    )
    parser.add_argument("--run", type=Path, help="draw from this run instead of training one (figures 3, 4, 6)")
    add_trust_argument(parser)


def _figure(options: argparse.Namespace) -> None:
    from gonkit.paper import draw_figure

    folder = options.out or Path("figures", str(options.number))
    try:
        paths = draw_figure(options.number, folder, options.overrides, quick=options.quick, run=options.run)
    except TrainingInterrupted:
        raise KeyboardInterrupt from None
    print("\n".join(map(str, paths)))


def _add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("path", nargs="?", type=Path, help="a recipe (bench data) or a run (bench objects)")
    add_trust_argument(parser)
    parser.add_argument("--own", action="store_true", help="points of each signal's own (bench step)")
    parser.add_argument("--chunk", type=positive, help="points decoded at once (bench decode)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a recipe's key"
    )
    for name, (default, text) in SIZES.items():
        parser.add_argument(f"--{name}", type=positive, default=default, help=f"{text} (default {default})")
    parser.add_argument("--rounds", type=positive, default=7, help="timed rounds, after one that is not (default 7)")
    parser.add_argument("--signals", type=positive, default=10_000, help="signals to encode (default 10000)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto (default)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _bench(options: argparse.Namespace) -> None:
    from gonkit import bench
    from gonkit.devices import select_device
    from gonkit.inference import Model
    from gonkit.recipe import read_recipe

    device = select_device(options.device)
    config = bench.BenchConfig(**{name: getattr(options, name) for name in SIZES}, own=options.own)
    if (options.path is None) == (options.what in ("data", "objects")):
        raise GonkitError(f"bench {options.what}: a recipe goes with data, a run with objects, nothing with the others")
    if options.what == "table":
        print(bench.bench_table(options.rounds, device))
        return
    benchmarks: Mapping[str, Callable[[], Mapping[str, float | str | None]]] = {
        "overhead": lambda: bench.bench_overhead(options.rounds, device),
        "normality": lambda: bench.detection_power(latents=options.latents),
        "step": lambda: bench.bench_step(config, options.rounds, device),
        "encode": lambda: bench.bench_encode(config, options.rounds, device, options.signals),
        "decode": lambda: bench.bench_decode(config, options.rounds, device, options.chunk),
        "data": lambda: bench.bench_data(read_recipe(options.path, options.overrides), options.rounds, device),
        "objects": lambda: bench.bench_objects(Model.load(options.path).to(device), options.rounds),
    }
    print_metrics(benchmarks[options.what](), as_json=options.json)


FIGURE = Command("figure", "Train what one of the paper's figures needs, and draw it.", _add_figure_arguments, _figure)
BENCH = Command("bench", "Time gonkit against the literal equation, side by side.", _add_bench_arguments, _bench)
