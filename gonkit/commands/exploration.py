"""gonkit interpolate | analogy | export: paths through the latent space, and signals of a run's data."""

from __future__ import annotations

__all__ = ["ANALOGY", "EXPORT", "INTERPOLATE"]

from pathlib import Path
from typing import TYPE_CHECKING

from gonkit.commands.command import Command, add_data_arguments, add_object_arguments, positive
from gonkit.commands.output import open_model, write_decoded, write_objects
from gonkit.errors import GonkitError

if TYPE_CHECKING:
    import argparse


def _add_interpolate_arguments(parser: argparse.ArgumentParser) -> None:
    add_object_arguments(parser, "interpolate")
    add_data_arguments(parser)
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE", help="two or more; none for two samples")
    parser.add_argument("--steps", type=positive, default=8, help="from each to the next, both included (8)")
    parser.add_argument(
        "--classes", nargs="+", metavar="LABEL", help="between class means; with one FILE, by as much from there"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--path",
        choices=("slerp", "linear", "density"),
        default="slerp",
        help="along the sphere (default), a straight line, or where the prior's density is high",
    )


def _interpolate(options: argparse.Namespace) -> None:
    from gonkit.inference import interpolate_path

    model = open_model(options)
    model.require("decode")
    files = options.files
    if options.classes:
        if len(options.classes) < 2 or len(files) > 1:
            raise GonkitError("--classes: give two or more classes to go between, and no file, or one to begin at")
        waypoints = model.class_means([model.class_index(name) for name in options.classes])
        if files:
            waypoints = model.encode(files) + waypoints - waypoints[:1]
    elif len(files) == 1:
        raise GonkitError("give two files or more to go between, or none; got one")
    else:
        waypoints = model.encode(files) if files else model.prior.sample(2, seed=options.seed)
    path = interpolate_path(waypoints, max(options.steps - 1, 1), options.path, model.prior)
    write_decoded(model, path, options, "step")


def _add_analogy_arguments(parser: argparse.ArgumentParser) -> None:
    add_object_arguments(parser, "analogy")
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("c", type=Path)


def _analogy(options: argparse.Namespace) -> None:
    from gonkit.inference import analogy

    model = open_model(options)
    a, b, c = model.encode([options.a, options.b, options.c])
    write_decoded(model, analogy(a, b, c)[None], options, "analogy")


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    add_object_arguments(parser, "export")
    add_data_arguments(parser)
    parser.add_argument("--what", choices=("samples", "reconstructions", "interpolation"), default="samples")
    parser.add_argument("--count", type=positive, default=8)
    parser.add_argument("--seed", type=int, default=0)


def _export(options: argparse.Namespace) -> None:
    from gonkit.data import evenly_spaced
    from gonkit.inference import encode_signals, interpolate, reconstruct_objects

    model = open_model(options)
    size = (options.resolution, options.chunk)
    if options.what == "samples":
        objects = model.sample(options.count, resolution=options.resolution, chunk=options.chunk, seed=options.seed)
    elif options.what == "interpolation":
        model.require("decode")
        test = model.dataset("test")
        latent = encode_signals(model.gon, test, evenly_spaced(2, len(test)))
        objects = model.decode(interpolate(latent[0], latent[-1], options.count), *size)
    else:
        model.require("predict")
        test = model.dataset("test")
        index = evenly_spaced(options.count, len(test))
        objects = reconstruct_objects(model.gon, model.task, test, index, *size)
        signal = model.task.output_type
        objects = [signal.place(obj, t) for obj, t in zip(objects, test.transforms(index), strict=True)]
    write_objects(model, objects, options, options.what.removesuffix("s"), count=len(objects))


INTERPOLATE = Command(
    "interpolate",
    "Go through the latent space from signal to signal, or class to class.",
    _add_interpolate_arguments,
    _interpolate,
)
ANALOGY = Command(
    "analogy", "Change one signal as another differs from a third: a − b + c.", _add_analogy_arguments, _analogy
)
EXPORT = Command(
    "export",
    "Write samples, reconstructions of test signals, or a path between two of them.",
    _add_export_arguments,
    _export,
)
