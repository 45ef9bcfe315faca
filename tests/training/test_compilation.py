"""What the compiler keeps between runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch._inductor.cpu_vec_isa import VecAVX2, VecISA

from gonkit.training import compilation

SHOW_FOLDER = """
import os
from gonkit.training import prepare_compiler
prepare_compiler()
print(os.environ["TORCHINDUCTOR_CACHE_DIR"])
"""


@pytest.mark.parametrize("works", [True, False])
def test_a_processor_check_that_succeeded_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    asked = []

    def check_build(self: VecISA, code: str) -> bool:
        asked.append(code)
        return works

    for _ in range(2):  # two runs
        monkeypatch.setattr(VecISA, "check_build", check_build)
        compilation._remember_processor_checks(tmp_path)
        assert VecAVX2().check_build("one") is works
    assert asked == (["one"] if works else ["one", "one"])
    assert VecAVX2().check_build("another") is works
    assert asked[-1] == "another"


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_compiled_code_is_kept_in_the_user_s_cache_or_where_the_variable_says(tmp_path: Path, own: bool) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TORCHINDUCTOR")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    if own:
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path / "own")
    result = subprocess.run([sys.executable, "-c", SHOW_FOLDER], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.strip())
    assert folder == tmp_path / "own" if own else (folder.is_relative_to(tmp_path) and folder.name == "compiled")
