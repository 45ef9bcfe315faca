"""Choices for "auto" in a recipe: precision, compilation and memory, from the work of a step and the machine."""

from __future__ import annotations

__all__ = ["resolve_auto_settings"]

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from gonkit.batch import Batch
from gonkit.devices import free_memory_mib
from gonkit.recipe import Recipe
from gonkit.training.compilation import prepare_compiler
from gonkit.training.cost import StepCost, estimate_step_cost

COMPILE_SECONDS = 30.0  # once for a network of some shape; two when what was compiled is found again
SAVED_SHARE = {"fp32": 0.12, "bf16": 0.5}  # of an eager step's time in fp32, by compiling to a precision
PRODUCT_SHARE = 0.75  # of the rate of matrix products that an eager step reaches (docs/performance.md)
PRODUCT_ROWS = 4096
MAX_MEMORY_FRACTION = 0.5  # of the free memory that a step may take
MIN_POINTS = 1 << 14  # whose activations are kept where memory is short


def resolve_auto_settings(
    recipe: Recipe, inputs: Batch, target: Batch, device: torch.device
) -> tuple[Recipe, dict[str, str]]:
    """The recipe without "auto", and the reasons by key. A run keeps what was chosen when it began, and so resumes
    exactly.

    Compiled if that saves more time than it takes, a compiler exists, no loss differentiates the field and nothing is
    recomputed; the time of a step comes from its work and from the rate of products, which is measured. bf16 if the
    processor multiplies it fast and, on a CPU, the step is compiled: otherwise it is slower there. Points are limited
    if a step would take more than half of the free memory.

    Args:
        recipe: as written.
        inputs: one signal or more from which latents are inferred; only shapes are read.
        target: those as they are predicted.
        device: to train on.
    """
    train = recipe.train
    chosen: dict[str, Any] = {}
    reasons: dict[str, str] = {}

    @cache
    def cost(max_points: int) -> StepCost:
        return estimate_step_cost(recipe.with_train(max_points=max_points), inputs, target, device)

    max_points, compiled = train.max_points, train.compile
    if max_points == "auto":
        max_points, reasons["max_points"] = _choose_max_points(cost, device)
        chosen["max_points"] = max_points
    if compiled == "auto":
        compiled, reasons["compile"] = _choose_compile(recipe, cost, device, bool(max_points))
        chosen["compile"] = compiled
    if train.precision == "auto":
        fast = _has_fast_bf16(device)
        used = fast and (compiled or device.type == "cuda")
        chosen["precision"] = "bf16" if used else "fp32"
        reason = "bfloat16 is fast here" if fast else "bfloat16 is not fast here"
        reasons["precision"] = reason if used or not fast else f"{reason}, but only when compiled"
    messages = {f"train.{key}": f"{_format_value(chosen[key])} ({reason})" for key, reason in reasons.items()}
    return recipe.with_train(**chosen), messages


def _choose_max_points(cost: Callable[[int], StepCost], device: torch.device) -> tuple[int, str]:
    needed, free = cost(0).peak_mib, free_memory_mib(device)
    if needed <= MAX_MEMORY_FRACTION * free:
        return 0, f"a step takes about {needed:,.0f} of {free:,.0f} MiB"
    limit = max(1, int(MAX_MEMORY_FRACTION * free / cost(MIN_POINTS).peak_mib)) * MIN_POINTS
    return limit, f"a step would take about {needed:,.0f} of {free:,.0f} MiB"


def _choose_compile(
    recipe: Recipe, cost: Callable[[int], StepCost], device: torch.device, limited: bool
) -> tuple[bool, str]:
    if recipe.objective.differentiates:
        return False, "a loss differentiates the field"
    if limited:
        return False, "activations that do not fit are recomputed"
    seconds = cost(0).flops * recipe.train.steps / (PRODUCT_SHARE * _product_flops_per_second(recipe, device))
    fast = recipe.train.precision in ("auto", "bf16") and _has_fast_bf16(device)
    if SAVED_SHARE["bf16" if fast else "fp32"] * seconds < COMPILE_SECONDS:
        return False, f"about {seconds:.0f} s of work, of which it saves less than it takes"
    if not _has_compiler():
        return False, "there is no C++ compiler"
    return True, f"about {seconds:.0f} s of work without"


def _product_flops_per_second(recipe: Recipe, device: torch.device) -> float:
    """Additions and multiplications per second of a layer's product in float32, by the fastest of some calls."""
    width = recipe.field.width
    rows, weight = torch.rand(PRODUCT_ROWS, width, device=device), torch.rand(width, width, device=device)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        (rows @ weight)[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - started)
    return 2 * rows.numel() * width / min(seconds)


def _has_compiler() -> bool:
    prepare_compiler()
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        return bool(get_cpp_compiler())
    except Exception:  # it reports a missing compiler in several ways
        return False


def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def _format_value(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value or "all")
