"""What each of gonkit's commands does with its options; `gonkit.cli` says what those are."""

from __future__ import annotations

__all__ = [
    "analogy",
    "bench",
    "check",
    "classify",
    "convert",
    "evaluate",
    "export",
    "figure",
    "interpolate",
    "latents",
    "reconstruct",
    "sample",
]

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from gonkit.model import Model
    from gonkit.signal import Signal


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


def sample(options: argparse.Namespace) -> None:
    """Draws new signals from the prior."""
    model = _open(options)
    latent = model.prior.sample(
        options.count,
        seed=options.seed,
        temperature=options.temperature,
        truncation=options.truncation,
        label=None if options.label is None else model.label(options.label),
    )
    _write(model, model.decode(latent, options.resolution, options.chunk), options, "sample")


def reconstruct(options: argparse.Namespace) -> None:
    """Encodes files and decodes them again."""
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


def convert(options: argparse.Namespace) -> None:
    """Converts files of one type of signal to another."""
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


def classify(options: argparse.Namespace) -> None:
    """Says which class files belong to."""
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


def interpolate(options: argparse.Namespace) -> None:
    """Goes from signal to signal, or from class to class."""
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


def analogy(options: argparse.Namespace) -> None:
    """Writes a − b + c."""
    from gonkit.latents import analogy as sum_of

    model = _open(options)
    a, b, c = model.encode([options.a, options.b, options.c])
    _write(model, model.decode(sum_of(a, b, c)[None], options.resolution, options.chunk), options, "analogy")


def export(options: argparse.Namespace) -> None:
    """Writes samples, reconstructions of test signals, or a path between two of them."""
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


def check(options: argparse.Namespace) -> None:
    """Says of each file in a folder whether it can be used."""
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


def latents(options: argparse.Namespace) -> None:
    """Writes the latents of all splits."""
    from gonkit.exporting import export_latents, write_latents

    tables = export_latents(_open(options))
    write_latents(options.out, tables)
    counts = ", ".join(f"{len(table.latent)} {split}" for split, table in tables.items())
    print(f"{options.out}: {counts}")


def figure(options: argparse.Namespace) -> None:
    """Makes one of the paper's figures."""
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


def evaluate(options: argparse.Namespace) -> None:
    """Prints figures on the test signals, or of samples."""
    from gonkit.evaluation import evaluate as figures_of
    from gonkit.observation import observation_curve

    if options.samples:
        _assess(options)
        return
    model = _open(options)
    test = model.signal.dataset("test")
    if not options.observed:
        _print(figures_of(model.gon, model.recipe, test), options.json)
        return
    rows = observation_curve(model.gon, model.signal, test, options.observed)
    if options.json:
        print(json.dumps(_finite({"observed": rows})))
    else:
        table = {f"{row['observed']:g}": {k: f"{v:.4g} dB" for k, v in row.items() if k != "observed"} for row in rows}
        _table(table, "observed")


def bench(options: argparse.Namespace) -> None:
    """Prints what was timed."""
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
