"""python -m gonkit.run RECIPE: from a recipe to a run folder with everything in it."""

from __future__ import annotations

__all__ = ["main"]

import argparse
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonkit.ranks import Ranks
    from gonkit.recipe import Recipe
    from gonkit.signal import SignalSet

DONE, OURS, THEIRS, RESUMABLE = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0 done, 2 a mistake of the user's, 3 stopped but resumable."""
    parser = argparse.ArgumentParser("python -m gonkit.run", description="Train a recipe, evaluate it, keep it all.")
    parser.add_argument("recipe", nargs="?", type=Path, help="a TOML file, as in recipes/")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/NAME/0001, the next free number)")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a key, as in train.steps=100",
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read, and count them")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    if (options.recipe is None) == (options.resume is None):
        parser.error("give a recipe, or --resume RUN")
    if options.resume and (options.overrides or options.skip_bad or options.out):
        parser.error("--resume goes on with the recipe in the run folder, as it is: no --set, --skip-bad or --out")

    from gonkit.ranks import Lost, Ranks
    from gonkit.recipe import read_recipe
    from gonkit.signal import SignalError
    from gonkit.training import Stopped

    ranks = Ranks()
    overrides = options.overrides + (["signal.skip_bad=true"] if options.skip_bad else [])
    folder: Path | None = options.resume
    try:
        if folder is not None and not (folder / "recipe.toml").is_file():
            raise SignalError(f"{folder}: no run to resume: there is no recipe.toml in it")
        recipe = read_recipe(options.recipe if folder is None else folder / "recipe.toml", overrides)
        if options.dry_run:
            _dry_run(recipe)
            return DONE
        ranks = Ranks.join()
        folder = folder or ranks.told(partial(_new_folder, recipe, options.out, ranks.restarted))
        _run(recipe, folder, options.quiet, ranks)
    except SignalError as error:
        print(f"error: {error}", file=sys.stderr)
        return THEIRS
    except (KeyboardInterrupt, Stopped, Lost) as stop:
        if folder is None:
            return THEIRS
        said = str(stop) or "stopped"
        if ranks.first or isinstance(stop, Lost):
            print(f"{said}; go on with: python -m gonkit.run --resume {folder}", file=sys.stderr)
        return RESUMABLE
    finally:
        ranks.leave()
    return DONE


def _run(recipe: Recipe, folder: Path, quiet: bool, ranks: Ranks) -> None:
    import torch

    from gonkit.choices import settled
    from gonkit.finish import finish
    from gonkit.labels import check_labels
    from gonkit.training import fit, pick_device

    sets: list[SignalSet] = []

    def read() -> None:
        sets.extend(recipe.signal.dataset(split) for split in ("train", "val", "test"))

    ranks.told(read)  # the first process makes what is to be kept on disk, and the others find it there
    if not ranks.first:
        read()
    train, val, test = sets
    if recipe.objective().reads("label"):
        check_labels({"training": train, "validation": val, "test": test})
    device = pick_device(recipe.train.device)
    recipe, chosen = ranks.told(lambda: settled(recipe, *train.pair(torch.arange(1)), device))
    if ranks.first:
        for note in {part.note for part in (train, val, test)} - {""}:
            print(f"note: {note}")
        folder.mkdir(parents=True, exist_ok=True)
        _describe(recipe, folder, chosen, ranks.size)
        print(f"run folder: {folder}")
        for key, why in chosen.items():
            print(f"{key}: {why}")
    gon, seconds = fit(recipe, train, val, folder, quiet=quiet, ranks=ranks)
    if ranks.first:
        evaluation = finish(recipe, gon, train, val, test, folder, seconds)
        print("\n".join(f"{key:>14}  {value:.5g}" for key, value in evaluation.items()))
        print(f"report: {folder / 'report.html'}")
    ranks.told(lambda: None)  # all leave together


def _new_folder(recipe: Recipe, out: Path | None, restarted: bool) -> Path:
    """Where a run goes; after a restart by torchrun, where it has begun."""
    from gonkit.signal import SignalError

    if out is not None:
        if restarted and (out / "recipe.toml").is_file():
            return out
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise SignalError(
                f"{out}: exists and is not empty; go on with it by --resume {out}, or name another folder"
            )
        return out
    runs = Path("runs", recipe.name)
    numbers = [int(p.name) for p in runs.glob("[0-9]*") if p.name.isdigit()]
    return runs / f"{max(numbers, default=0) + (0 if restarted and numbers else 1):04d}"


def _describe(recipe: Recipe, folder: Path, chosen: Mapping[str, str], processes: int) -> None:
    """The resolved recipe, and what it ran with."""
    import numpy
    import torch

    import gonkit
    from gonkit.checkpoint import write_atomically

    write_atomically(folder / "recipe.toml", recipe.toml().encode())
    versions = {
        "gonkit": gonkit.__version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "threads": torch.get_num_threads(),
        "processes": processes,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "seed": recipe.train.seed,
        "chosen": dict(chosen),
    }
    write_atomically(folder / "versions.json", json.dumps(versions, indent=2).encode())


def _dry_run(recipe: Recipe) -> None:
    """The resolved recipe, the network's and the data's sizes, and the memory of a step."""
    import torch

    from gonkit.choices import settled
    from gonkit.model import build
    from gonkit.rehearsal import rehearse
    from gonkit.training import pick_device

    train = recipe.signal.dataset("train")
    given, wanted = train.pair(torch.arange(1))
    device = pick_device(recipe.train.device)
    recipe, chosen = settled(recipe, given, wanted, device)
    gon = build(recipe, classes=len(train.classes))
    parameters = sum(p.numel() for p in gon.parameters())
    print(recipe.toml())
    print(f"parameters: {parameters:,}")
    for split in ("train", "val", "test"):
        signals = train if split == "train" else recipe.signal.dataset(split)
        one = signals.first(1)
        size = sum(t.numel() * t.element_size() for t in (one.values, one.mask, one.source) if t is not None)
        shared = "shared by all" if one.shared else "of each signal's own"
        note = f" ({signals.note})" if signals.note else ""
        print(
            f"{split}: {len(signals):,} signals, values {tuple(one.values.shape[1:])}, coords "
            f"{tuple(one.coords.shape[-2:])} {shared}, {len(signals) * size / 2**20:.1f} MiB{note}"
        )
    for key, why in chosen.items():
        print(f"{key}: {why}")
    held = rehearse(recipe, given, wanted, device, len(train.classes)).megabytes
    print(f"memory of a step's tensors, beside data and libraries: {held:,.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())
