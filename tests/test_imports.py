"""Classes that a recipe names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gonkit.errors import GonkitError
from gonkit.imports import did_you_mean, import_class, resolve_class_path
from tests.conftest import ROOT


def test_a_similar_name_is_suggested() -> None:
    assert did_you_mean("widht", ["width", "layers"]) == "; did you mean 'width'?"
    assert did_you_mean("zzz", ["width", "layers"]) == ""


def test_a_module_s_class_is_imported() -> None:
    assert import_class("collections:OrderedDict", dict).__name__ == "OrderedDict"


def test_a_file_is_looked_for_beside_the_recipe_then_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, working = tmp_path / "beside", tmp_path / "working"
    for folder in (beside, working):
        folder.mkdir()
        (folder / "both.py").write_text(f"class Mine(dict):\n    folder = {folder.name!r}\n")
    (working / "one.py").write_text("class Mine(dict):\n    folder = 'working'\n")
    monkeypatch.chdir(working)
    assert vars(import_class("both.py:Mine", dict, beside))["folder"] == "beside"
    assert vars(import_class("one.py:Mine", dict, beside))["folder"] == "working"
    assert resolve_class_path("both.py:Mine", beside) == f"{beside.resolve() / 'both.py'}:Mine"
    assert resolve_class_path("both.py:Mine") == f"{working.resolve() / 'both.py'}:Mine"
    assert resolve_class_path("some.module:Mine", beside) == "some.module:Mine"
    absolute = f"{working / 'both.py'}:Mine"
    assert vars(import_class(absolute, dict, beside))["folder"] == "working"


def test_a_file_is_imported_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Mine(dict):\n    pass\n")
    first = import_class("mine.py:Mine", dict, tmp_path)
    assert import_class(f"{tmp_path / 'mine.py'}:Mine", dict) is first


def test_a_file_that_fails_is_imported_anew(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("1 / 0")
    with pytest.raises(GonkitError, match=r"importing mine.py:Mine: ZeroDivisionError: .* \(.*mine.py, line 1\)"):
        import_class("mine.py:Mine", dict, tmp_path)
    file.write_text("class Mine(dict):\n    pass  # corrected\n")
    assert issubclass(import_class("mine.py:Mine", dict, tmp_path), dict)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("collections", r"'collections' must read 'module:Class' or 'file.py:Class'"),
        ("collections:", r"'collections:' must read 'module:Class' or 'file.py:Class'"),
        ("colections:Counter", r"there is no module 'colections'; a file of your own is named 'file.py:Class'"),
        ("collections:Conuter", r"collections has no 'Conuter'; did you mean 'Counter'\?"),
        ("collections:deque", r"collections:deque must be a subclass of gonkit's Mapping; it is .*deque"),
        ("collections:namedtuple", r"must be a subclass of gonkit's Mapping; it is <function namedtuple"),
        ("none.py:Mine", r"no file none.py; looked for .*none.py and .*none.py"),
    ],
)
def test_a_wrong_name_is_explained(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(GonkitError, match=message):
        import_class(name, Mapping, tmp_path)


def test_a_module_that_lacks_another_one_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gonkit_test_needs_more.py").write_text("import gonkit_test_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(GonkitError, match=r"ModuleNotFoundError: .*gonkit_test_not_installed.*needs_more.py, line 1"):
        import_class("gonkit_test_needs_more:Mine", dict)


@pytest.mark.slow
@pytest.mark.parametrize("command", [["-m", "gonkit.run"], ["-m", "gonkit", "run"], ["gonkit", "run"]])
def test_a_file_named_like_the_package_of_the_built_in_types_does_not_hide_it(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "signals.py").write_text("from signals.image import Image\n\n\nclass Mine(Image):\n    pass\n")
    (tmp_path / "one.toml").write_text('signal.type = "signals.image:Image"')
    (tmp_path / "two.toml").write_text('signal.type = "signals.py:Mine"')
    if command[0] == "gonkit":
        script = shutil.which("gonkit", path=str(Path(sys.executable).parent))
        if script is None:
            pytest.skip("gonkit is not installed")
        command = [script, *command[1:]]
    for recipe in ("one.toml", "two.toml"):
        run = subprocess.run(
            [sys.executable, *command, recipe, "--dry-run"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert run.returncode == 0, run.stderr
        assert "train: 1,437 signals" in run.stdout
