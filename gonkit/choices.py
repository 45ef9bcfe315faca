"""What "auto" stands for in a recipe: precision, compilation and memory, from the work there is and the machine."""

from __future__ import annotations

__all__ = ["settled"]

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from gonkit.recipe import Recipe
from gonkit.rehearsal import Rehearsed, rehearse
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

    @cache
    def rehearsed(rows: int) -> Rehearsed:
        some = recipe.model_copy(update={"train": train.model_copy(update={"rows": rows})})
        return rehearse(some, given, wanted, device)

    limit, compiled = train.rows, train.compile
    if limit == "auto":
        limit, reasons["train.rows"] = _rows(rehearsed, device)
        chosen["rows"] = limit
    if compiled == "auto":
        compiled, reasons["train.compile"] = _compile(recipe, rehearsed, device, bool(limit))
        chosen["compile"] = compiled
    if train.precision == "auto":
        fast = _fast_bf16(device)
        use = fast and (compiled or device.type == "cuda")
        chosen["precision"] = "bf16" if use else "fp32"
        why = "bfloat16 is fast here" if fast else "bfloat16 is not fast here"
        reasons["train.precision"] = why if use or not fast else f"{why}, but only when compiled"
    said = {key: f"{_word(chosen[key.removeprefix('train.')])} ({why})" for key, why in reasons.items()}
    return recipe.model_copy(update={"train": train.model_copy(update=chosen)}), said


def _rows(rehearsed: Callable[[int], Rehearsed], device: torch.device) -> tuple[int, str]:
    needed, free = rehearsed(0).megabytes, _free_megabytes(device)
    if needed <= SHARE * free:
        return 0, f"a step takes about {needed:,.0f} of {free:,.0f} MiB"
    limit = max(1, int(SHARE * free / rehearsed(FEWEST).megabytes)) * FEWEST
    return limit, f"a step would take about {needed:,.0f} of {free:,.0f} MiB"


def _compile(
    recipe: Recipe, rehearsed: Callable[[int], Rehearsed], device: torch.device, rows: bool
) -> tuple[bool, str]:
    if recipe.objective().slopes:
        return False, "a loss differentiates the field"
    if rows:
        return False, "what does not fit is computed again"
    rate = RATES["cuda"] if device.type == "cuda" else RATES["cpu"] * torch.get_num_threads()
    seconds = rehearsed(0).operations * recipe.train.steps / rate
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
