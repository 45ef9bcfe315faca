"""What "auto" stands for in a recipe: precision, compilation and memory, from the work there is and the machine."""

from __future__ import annotations

__all__ = ["settled", "step_megabytes", "step_operations"]

import os
from pathlib import Path
from typing import Any

import torch

from gonkit.recipe import Recipe
from gonkit.signal import Batch

COMPILING = 40.0  # seconds that it takes
RATES = {"cpu": 4e10, "cuda": 1e13}  # operations per second of an eager step: of a core, of a GPU
SHARE = 0.5  # of the free memory that a step may take
FEWEST = 1 << 14  # rows held, where memory is short


def settled(recipe: Recipe, given: Batch, wanted: Batch, device: torch.device) -> tuple[Recipe, dict[str, str]]:
    """The recipe without "auto", and why, by key. A run keeps what was decided when it began, and so resumes exactly.

    Compiled where training would take longer than compiling does, a compiler is there, no loss differentiates the field
    and nothing is computed again. bf16 where the processor multiplies it fast, and, on a CPU, where it is compiled:
    otherwise it is slower there. Rows are limited where a step would take more than half of the free memory.

    Args:
        recipe: as written.
        given: one signal or more as latents are inferred from.
        wanted: those as predicted.
        device: to train on.
    """
    train = recipe.train
    chosen: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    limit = train.rows
    if limit == "auto":
        limit, reasons["train.rows"] = _rows(recipe, given, wanted, device)
        chosen["rows"] = limit
    compiled = train.compile
    if compiled == "auto":
        compiled, reasons["train.compile"] = _compile(recipe, given, wanted, device, limit)
        chosen["compile"] = compiled
    if train.precision == "auto":
        fast = _fast_bf16(device)
        use = fast and (compiled or device.type == "cuda")
        chosen["precision"] = "bf16" if use else "fp32"
        why = "bfloat16 is fast here" if fast else "bfloat16 is not fast here"
        reasons["train.precision"] = why if use or not fast else f"{why}, but only when compiled"
    said = {key: f"{_word(chosen[key.removeprefix('train.')])} ({why})" for key, why in reasons.items()}
    return recipe.model_copy(update={"train": train.model_copy(update=chosen)}), said


def step_operations(recipe: Recipe, given: Batch, wanted: Batch) -> float:
    """Multiplications and additions of a training step in the network's square layers.

    Three passes of two operations a weight for each outer row: forward, and backward by inputs and by weights. The
    origin differentiates twice: about three times as many for each of its rows and channels.
    """
    rows, inner = _row_counts(recipe, given, wanted)
    weights = recipe.field.width**2 * (recipe.field.layers - 1)
    return 6.0 * weights * (rows + 3 * inner * given.values.shape[2])


def step_megabytes(recipe: Recipe, given: Batch, wanted: Batch) -> float:
    """Estimated MiB that a training step takes at its peak, beside the data and the libraries.

    A sine layer keeps its argument and its output for each row of the outer pass, and the backward pass holds more
    rows besides; the origin, differentiated twice, keeps several times as much for each of its own rows, of which there
    are P on shared coordinates. `docs/performance.md` has how near this comes.
    """
    outer, inner = _row_counts(recipe, given, wanted)
    limit = recipe.train.rows
    if isinstance(limit, int) and limit:
        outer, inner = min(outer, limit), min(inner, limit)
    width, layers, channels = recipe.field.width, recipe.field.layers, given.values.shape[2]
    kept = 2 * layers + OUTER_HELD
    again = (ORIGIN_KEPT + ORIGIN_PER_CHANNEL * channels) * layers
    jacobian = inner * channels * recipe.latent.dim * (3 if _shared(given) else 0)
    return 4 * (width * (kept * outer + again * inner) + jacobian) / 2**20


OUTER_HELD = 2  # rows beside those that layers keep
ORIGIN_KEPT = 4.0  # rows a layer, for the origin's first derivative
ORIGIN_PER_CHANNEL = 5.5  # and for each channel's second


def _row_counts(recipe: Recipe, given: Batch, wanted: Batch) -> tuple[int, int]:
    """Rows of the outer pass, and of the origin."""
    batch = recipe.train.batch
    points = wanted.values.shape[1] if recipe.objective().reads("values") else 0
    outer = batch * min(recipe.train.points or points, points)
    points = given.values.shape[1]
    inner = min(recipe.latent.points or points, points)
    alone = _shared(given) and recipe.latent.steps == 1
    return outer, inner if alone else inner * batch * recipe.latent.steps


def _shared(given: Batch) -> bool:
    return given.shared and given.source is None


def _rows(recipe: Recipe, given: Batch, wanted: Batch, device: torch.device) -> tuple[int, str]:
    unlimited = recipe.model_copy(update={"train": recipe.train.model_copy(update={"rows": 0})})
    needed, free = step_megabytes(unlimited, given, wanted), _free_megabytes(device)
    if needed <= SHARE * free:
        return 0, f"a step takes about {needed:,.0f} of {free:,.0f} MiB"
    fewest = recipe.train.model_copy(update={"rows": FEWEST})
    held = step_megabytes(recipe.model_copy(update={"train": fewest}), given, wanted)
    limit = max(FEWEST, int(SHARE * free / held) * FEWEST)
    return limit, f"a step would take about {needed:,.0f} of {free:,.0f} MiB"


def _compile(recipe: Recipe, given: Batch, wanted: Batch, device: torch.device, rows: int) -> tuple[bool, str]:
    if recipe.objective().slopes:
        return False, "a loss differentiates the field"
    if rows:
        return False, "what does not fit is computed again"
    rate = RATES["cuda"] if device.type == "cuda" else RATES["cpu"] * torch.get_num_threads()
    seconds = step_operations(recipe, given, wanted) * recipe.train.steps / rate
    if seconds < COMPILING:
        return False, f"about {seconds:.0f} s of work, less than compiling takes"
    if not _compiler():
        return False, "there is no C++ compiler"
    return True, f"about {seconds:.0f} s of work without"


def _compiler() -> bool:
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        return bool(get_cpp_compiler())
    except Exception:  # it says in several ways that there is none
        return False


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def _free_megabytes(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2**20
    status = Path("/proc/meminfo")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("MemAvailable"))
        return float(line.split()[1]) / 2**10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**21


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value or "all")
