"""gonkit sample | reconstruct | convert | classify | ...: what a trained run is good for."""

from __future__ import annotations

__all__ = ["main"]

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gonkit.model import Model
    from gonkit.signal import Signal


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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

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
        made = commands.add_parser(name, help=text, description=text)
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

    sample = command("sample", _sample, "Draw new signals from the prior.")
    sample.add_argument("--count", type=_positive, default=16)
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument(
        "--temperature", type=float, default=1.0, help="spread; below 1 more typical, above 1 more diverse"
    )
    sample.add_argument(
        "--truncation", type=float, metavar="T", help="draw from within T standard deviations, as in 1.5"
    )
    sample.add_argument("--label", metavar="CLASS", help="by name or number, where the prior has a density per class")

    reconstruct = command("reconstruct", _reconstruct, "Encode files and decode them again.")
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

    convert = command("convert", _convert, "Convert files of one type of signal to another.")
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

    classify = command("classify", _classify, "Say which class files belong to.", objects=False)
    classify.add_argument("files", type=Path, nargs="+")
    classify.add_argument("--json", action="store_true", help="print one JSON object")

    interpolate = command("interpolate", _interpolate, "Go along the sphere from signal to signal, or class to class.")
    interpolate.add_argument("files", type=Path, nargs="*", metavar="FILE", help="two or more; none for two samples")
    interpolate.add_argument("--steps", type=_positive, default=8, help="from each to the next, both included (8)")
    interpolate.add_argument(
        "--classes", nargs="+", metavar="LABEL", help="from class mean to class mean; with one FILE, as far from there"
    )
    interpolate.add_argument("--seed", type=int, default=0)
    interpolate.add_argument(
        "--path", choices=("slerp", "linear"), default="slerp", help="along the sphere (default) or straight"
    )

    like = command("analogy", _analogy, "Do to one signal what another is to a third: a − b + c.")
    like.add_argument("a", type=Path)
    like.add_argument("b", type=Path)
    like.add_argument("c", type=Path)

    evaluate = command("evaluate", _evaluate, "Figures on the test signals.", objects=False)
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

    latents = command("latents", _latents, "Write the latents of all splits, with labels and names.", objects=False)
    latents.add_argument("--out", type=Path, default=Path("latents.npz"), help="a .npz or .h5 file")

    figure = commands.add_parser("figure", help="Train what one of the paper's figures needs, and draw it.")
    figure.set_defaults(command=_figure)
    figure.add_argument("number", type=int, choices=range(2, 8), help="of the figure in arXiv 2007.02798")
    figure.add_argument("--out", type=Path, help="folder (default: figures/N)")
    figure.add_argument("--quick", action="store_true", help="fewer steps, to see what it will look like")
    figure.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a recipe's key"
    )
    figure.add_argument("--run", type=Path, help="draw from this run instead of training one (figures 3, 4, 6)")

    export = command(
        "export", _export, "Write samples, reconstructions of test signals, or a path between two of them."
    )
    export.add_argument("--what", choices=("samples", "reconstructions", "interpolation"), default="samples")
    export.add_argument("--count", type=_positive, default=8)
    export.add_argument("--seed", type=int, default=0)

    check = commands.add_parser("check", help="Look at a folder's files before training on them.")
    check.set_defaults(command=_check)
    check.add_argument("folder", type=Path)
    check.add_argument("--type", help="signal type, as in a recipe (default: the one that reads most of the files)")
    check.add_argument("--json", action="store_true", help="print one JSON object")

    bench = commands.add_parser("bench", help="Time gonkit against the literal equation, side by side.")
    bench.set_defaults(command=_bench)
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


def _open(options: argparse.Namespace) -> Model:
    from gonkit.model import Model
    from gonkit.training import pick_device

    return Model.load(options.run).to(pick_device(options.device))


def _write(model: Model, things: Sequence[Any], options: argparse.Namespace, stem: str) -> None:
    from gonkit.finish import write_objects
    from gonkit.signal import SignalError

    paths = [
        p for p in write_objects(model.signal, things, options.out, stem, _suffix(model, options)) if p is not None
    ]
    if not paths:
        raise SignalError("nothing was written")
    print(f"{len(paths)} files: {paths[0]} to {paths[-1].name}" if len(paths) > 1 else str(paths[0]))


def _suffix(model: Model, options: argparse.Namespace) -> str | None:
    from gonkit.signal import SignalError

    known, suffix = model.signal.suffixes, options.suffix
    if suffix is not None and suffix not in known:
        raise SignalError(f"--suffix {suffix}: {type(model.signal).__name__} files end in {' or '.join(known)}")
    return None if suffix is None else str(suffix)


def _sample(options: argparse.Namespace) -> None:
    model = _open(options)
    latent = model.prior.sample(
        options.count,
        seed=options.seed,
        temperature=options.temperature,
        truncation=options.truncation,
        label=None if options.label is None else model.label(options.label),
    )
    _write(model, model.decode(latent, options.resolution, options.chunk), options, "sample")


def _reconstruct(options: argparse.Namespace) -> None:
    from gonkit.signal import SignalError

    model = _open(options)
    suffix = _suffix(model, options)
    figures: dict[str, Any] = {}
    bad = 0
    for path, stem in zip(options.files, _stems(options.files), strict=True):
        try:
            written, found = model.reconstruct(
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
        except SignalError as error:
            if not options.skip_bad:
                raise
            bad += 1
            print(f"left out: {error}", file=sys.stderr)
            continue
        figures[str(path)] = {"file": str(written), **found}
        if not options.json:
            print(f"{path} → {written}  " + "  ".join(f"{name} {value:.4g}" for name, value in found.items()))
    if options.json:
        print(json.dumps(_finite(figures)))
    if bad:
        print(f"{bad} of {len(options.files)} files were left out", file=sys.stderr)


def _stems(paths: Sequence[Path]) -> list[str]:
    """A name for each file's result; files of the same name keep their folder's too."""
    stems = [path.stem for path in paths]
    longer = [f"{path.parent.name}_{path.name}" for path in paths]
    return [stem if stems.count(stem) == 1 else long for stem, long in zip(stems, longer, strict=True)]


def _convert(options: argparse.Namespace) -> None:
    from gonkit.finish import write_objects

    model = _open(options)
    suffix = _suffix(model, options)
    latent = None
    if options.style:
        latent = model.encode_pair(*options.style)
    elif options.count:
        latent = model.prior.sample(options.count, seed=options.seed, temperature=options.temperature)
    for path, stem in zip(options.files, _stems(options.files), strict=True):
        given = [path] * (1 if latent is None else len(latent))
        things = model.convert(given, latent=latent, resolution=options.resolution, chunk=options.chunk)
        if len(things) == 1:
            options.out.mkdir(parents=True, exist_ok=True)
            print(f"{path} → {model.signal.save(things[0], options.out / stem, suffix)}")
        else:
            written = [p for p in write_objects(model.signal, things, options.out, stem, suffix) if p is not None]
            print(f"{path} → " + (f"{written[0]} to {written[-1].name}" if written else "nothing"))


def _classify(options: argparse.Namespace) -> None:
    model = _open(options)
    chances = model.classify(options.files)
    found = {}
    for path, row in zip(options.files, chances.tolist(), strict=True):
        found[str(path)] = dict(zip(model.classes, row, strict=True))
    if options.json:
        print(json.dumps(found))
        return
    for name, row in found.items():
        best = sorted(row, key=lambda label: -row[label])[:3]
        print(f"{name}  " + "  ".join(f"{label} {row[label]:.1%}" for label in best))


def _interpolate(options: argparse.Namespace) -> None:
    from gonkit.latents import through
    from gonkit.signal import SignalError

    model = _open(options)
    files = options.files
    if options.classes:
        if len(options.classes) < 2 or len(files) > 1:
            raise SignalError("--classes: give two or more classes to go between, and no file, or one to begin at")
        stations = model.class_means([model.label(name) for name in options.classes])
        if files:
            stations = model.encode(files) + stations - stations[:1]
    elif len(files) == 1:
        raise SignalError("give two files or more to go between, or none; got one")
    else:
        stations = model.encode(files) if files else model.prior.sample(2, seed=options.seed)
    path = through(stations, max(options.steps - 1, 1), options.path)
    _write(model, model.decode(path, options.resolution, options.chunk), options, "step")


def _analogy(options: argparse.Namespace) -> None:
    from gonkit.latents import analogy

    model = _open(options)
    a, b, c = model.encode([options.a, options.b, options.c])
    _write(model, model.decode(analogy(a, b, c)[None], options.resolution, options.chunk), options, "analogy")


def _export(options: argparse.Namespace) -> None:
    import torch

    from gonkit.latents import slerp

    model = _open(options)
    if options.what == "samples":
        things = model.decode(model.prior.sample(options.count, seed=options.seed), options.resolution, options.chunk)
    else:
        test = model.signal.dataset("test")
        index = test.spread(options.count if options.what == "reconstructions" else 2)
        latent = model.encode(test.batch(index))
        if options.what == "interpolation":
            latent = slerp(latent[0], latent[-1], torch.linspace(0, 1, options.count))
        things = model.decode(latent, options.resolution, options.chunk)
        if options.what == "reconstructions":
            things = test.placed(index, things)
    _write(model, things, options, options.what.removesuffix("s"))


def _check(options: argparse.Namespace) -> None:
    from gonkit.names import import_named
    from gonkit.signal import Signal, SignalError

    if not options.folder.is_dir():
        raise SignalError(f"{options.folder}: no such folder")
    kinds = [import_named(options.type, Signal)] if options.type else _known_types()
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file())
    kind = max(kinds, key=lambda kind: sum(path.suffix.lower() in kind.reads for path in paths))
    paths = [path for path in paths if path.suffix.lower() in kind.reads]
    if not paths:
        raise SignalError(
            f"{options.folder}: no files in it or below that {' or '.join(k.__name__ for k in kinds)} reads"
        )
    signal, rows, bad = kind(), {}, 0
    for path in paths:
        name = str(path.relative_to(options.folder))
        try:
            rows[name] = dict(signal.check(path))
        except SignalError as error:
            rows[name] = {"verdict": str(error).removeprefix(f"{path}: ")}
            bad += 1
    if options.json:
        print(json.dumps(rows))
    else:
        _table(rows, "file")
    if bad:
        raise SignalError(f"{bad} of {len(paths)} files cannot be used")


def _known_types() -> list[type[Signal]]:
    """The signal types of installed packages, gonkit's own among them."""
    from importlib.metadata import entry_points

    return [entry.load() for entry in entry_points(group="gonkit.signals")]


def _table(rows: Mapping[str, Mapping[str, str]], head: str) -> None:
    """Rows by name, in columns; a verdict comes last and is as long as it is."""
    columns = sorted(dict.fromkeys(name for row in rows.values() for name in row), key=lambda name: name == "verdict")
    lines = [[head, *columns], *([name, *(row.get(c, "") for c in columns)] for name, row in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=False)) + "  " + line[-1])


def _latents(options: argparse.Namespace) -> None:
    from gonkit.exporting import export_latents, write_latents

    tables = export_latents(_open(options))
    write_latents(options.out, tables)
    counts = ", ".join(f"{len(table.latent)} {split}" for split, table in tables.items())
    print(f"{options.out}: {counts}")


def _figure(options: argparse.Namespace) -> None:
    from gonkit.figures import draw_figure
    from gonkit.training import Stopped

    folder = options.out or Path("figures", str(options.number))
    try:
        paths = draw_figure(options.number, folder, options.overrides, quick=options.quick, run=options.run)
    except Stopped:
        raise KeyboardInterrupt from None
    print("\n".join(map(str, paths)))


def _assess(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from gonkit.assessment import assess, judge_of, refitted

    model = _open(options)
    train, test = (model.signal.dataset(split) for split in ("train", "test"))
    if options.prior:
        model = replace(model, prior=refitted(model, options.prior, options.per_class))
    judge = judge_of(model, train, options.judge, options.run)
    _print(assess(model, train, test, judge, options.count, options.seed), options.json)


def _evaluate(options: argparse.Namespace) -> None:
    from gonkit.evaluation import evaluate
    from gonkit.observation import observation_curve

    if options.samples:
        _assess(options)
        return
    model = _open(options)
    test = model.signal.dataset("test")
    if not options.observed:
        _print(evaluate(model.gon, model.recipe, test), options.json)
        return
    rows = observation_curve(model.gon, model.signal, test, options.observed)
    if options.json:
        print(json.dumps(_finite({"observed": rows})))
    else:
        table = {f"{row['observed']:g}": {k: f"{v:.4g} dB" for k, v in row.items() if k != "observed"} for row in rows}
        _table(table, "observed")


def _bench(options: argparse.Namespace) -> None:
    from gonkit.bench import Shapes, bench_data, bench_decode, bench_encode, bench_objects, bench_step, bench_table
    from gonkit.model import Model
    from gonkit.normality import power
    from gonkit.recipe import read_recipe
    from gonkit.signal import SignalError
    from gonkit.training import pick_device

    device = pick_device(options.device)
    fields = ("batch", "points", "channels", "dims", "latents", "width", "layers")
    shapes = Shapes(**{name: getattr(options, name) for name in fields}, own=options.own)
    if (options.path is None) == (options.what in ("data", "objects")):
        raise SignalError(f"bench {options.what}: a recipe goes with data, a run with objects, and nothing with others")
    if options.what == "table":
        print(bench_table(options.rounds, device))
        return
    measures: Mapping[str, Callable[[], Mapping[str, float | str | None]]] = {
        "normality": lambda: power(latents=options.latents),
        "step": lambda: bench_step(shapes, options.rounds, device),
        "encode": lambda: bench_encode(shapes, options.rounds, device, options.signals),
        "decode": lambda: bench_decode(shapes, options.rounds, device, options.chunk),
        "data": lambda: bench_data(read_recipe(options.path, options.overrides), options.rounds, device),
        "objects": lambda: bench_objects(Model.load(options.path).to(device), options.rounds),
    }
    _print(measures[options.what](), options.json)


def _finite(figures: Any) -> Any:
    """Figures as JSON can hold them: null for what is infinite or not a number."""
    if isinstance(figures, Mapping):
        return {name: _finite(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [_finite(value) for value in figures]
    return None if isinstance(figures, float) and not math.isfinite(figures) else figures


def _print(figures: Mapping[str, float | str | None], as_json: bool) -> None:
    if as_json:
        print(json.dumps(_finite(figures)))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        said = f"{value:.5g}" if isinstance(value, float) else value or "not possible here"
        print(f"{name:>{width}}  {said}")


if __name__ == "__main__":
    sys.exit(main())
