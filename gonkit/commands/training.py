"""gonkit run: from a recipe to a run folder with everything in it."""

from __future__ import annotations

__all__ = ["FINISH", "RUN"]

import argparse
import sys
from pathlib import Path

from gonkit.commands.command import Command, add_data_arguments, add_override_argument, add_trust_argument, positive
from gonkit.commands.termination import ignore_termination
from gonkit.errors import ExitCode, ProcessLostError, TrainingInterrupted


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", type=Path, help="a TOML file, as in recipes/")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/NAME/0001, the next free number)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="resume the run in this folder")
    add_override_argument(parser, "train.steps=100")
    parser.add_argument("--skip-bad", action="store_true", help="skip files that cannot be read, and count them")
    add_data_arguments(parser)
    add_trust_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and stop")
    parser.add_argument(
        "--stop-after", type=positive, metavar="STEPS", help="stop after so many steps, to be resumed later"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(parser=parser)


def _run(options: argparse.Namespace) -> int:
    if (options.recipe is None) == (options.resume is None):
        options.parser.error("give a recipe, or --resume RUN")
    if options.resume and options.out:
        options.parser.error("--resume goes on in the run folder: no --out")

    from gonkit.pipeline import RunFolder, describe_run, read_stored_recipe, run_recipe
    from gonkit.recipe import read_recipe
    from gonkit.training import ProcessGroup

    group = ProcessGroup()
    folder = RunFolder(options.resume)
    try:
        overrides = options.overrides + (["signal.skip_bad=true"] if options.skip_bad else [])
        if options.resume:
            recipe = read_stored_recipe(options.resume, overrides)
        else:
            recipe = read_recipe(options.recipe, overrides)
        if options.dry_run:
            print(describe_run(recipe))
            return ExitCode.DONE
        group = ProcessGroup.init()
        if not options.resume:
            folder = group.broadcast_from_main(lambda: RunFolder.new(recipe.name, options.out, group.restarted))
        run_recipe(
            recipe,
            folder,
            quiet=options.quiet,
            group=group,
            stop_after=options.stop_after,
            accept_changed_data=options.accept_changed_data,
        )
    except (KeyboardInterrupt, TrainingInterrupted, ProcessLostError) as stop:
        ignore_termination()  # torchrun sends it to all that are left when one process is lost
        if not folder.exists:
            print("stopped before anything was written", file=sys.stderr)
            return ExitCode.USER_ERROR
        if group.is_main or isinstance(stop, ProcessLostError):
            print(
                f"{str(stop) or 'stopped'}; resume with: python -m gonkit.run --resume {folder.path}", file=sys.stderr
            )
        return ExitCode.RESUMABLE
    finally:
        group.shutdown()
    return ExitCode.DONE


def _add_finish_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a run folder")
    add_data_arguments(parser)
    add_trust_argument(parser)


def _finish(options: argparse.Namespace) -> None:
    from gonkit.pipeline import read_stored_recipe, run_recipe

    recipe = read_stored_recipe(options.run)
    result = run_recipe(recipe, options.run, quiet=True, accept_changed_data=options.accept_changed_data, finish=True)
    if result is not None:
        print(f"finished after {result.evaluation['steps']:.0f} of {recipe.train.steps} steps")


RUN = Command("run", "Train a recipe, evaluate it, keep everything.", _add_arguments, _run)
FINISH = Command("finish", "Make a model of a stopped run, without training on.", _add_finish_arguments, _finish)
