"""PyTorch's compiler: where it keeps what it has compiled, what it need not check again, and what it need not print."""

from __future__ import annotations

__all__ = ["prepare_compiler"]

import hashlib
import logging
import os
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path

import torch
from platformdirs import user_cache_path


@cache
def prepare_compiler() -> None:
    """Makes the compiler start quickly and quietly. Called before it is used for the first time.

    What is compiled is kept in the user's own cache folder, or in `TORCHINDUCTOR_CACHE_DIR`, so that the next run of a
    recipe finds it there.
    """
    from torch._inductor.runtime.cache_dir_utils import cache_dir, default_cache_dir

    if cache_dir() == default_cache_dir():  # a temporary one, which PyTorch sets the variable to
        folder = user_cache_path("gonkit", appauthor=False) / "compiled"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    _remember_processor_checks(Path(cache_dir()))
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns that there is no GPU


def _remember_processor_checks(folder: Path) -> None:
    """Keeps, from run to run, which vector instructions can be compiled for.

    PyTorch 2.11 starts a process for each set of instructions in every run, which imports PyTorch: 1.5 s each, up to
    ten. Later versions keep marks like these (pytorch/pytorch#140970, #190561).
    """
    from torch._inductor.cpu_vec_isa import VecISA

    check_build = VecISA.check_build

    @wraps(check_build)
    def check(self: VecISA, code: str) -> bool:
        facts = (torch.__version__, torch.__file__, str(self), self.build_arch_flags(), code)
        mark = folder / f"instructions-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"
        if mark.exists():
            return True
        works = check_build(self, code)
        if works:
            with suppress(OSError):
                mark.touch()
        return works

    VecISA.check_build = check  # type: ignore[method-assign]
