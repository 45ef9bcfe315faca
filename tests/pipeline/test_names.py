"""Files whose names cannot be written as they are: with bytes that are not UTF-8, or a new line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image as pillow

from gonkit.commands import main as gonkit
from gonkit.errors import RecipeError
from gonkit.evaluation import read_latents
from gonkit.recipe import read_recipe
from gonkit.run import main

NAMES = (b"caf\xe9.png", b"two\nlines.png", b"tab\t.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Pictures of two classes, one of them with such a name too."""
    generator = numpy.random.default_rng(0)
    folder = os.fsencode(tmp_path / "data")
    for number, kind in enumerate((b"plain", b"d\xe9j\xe0")):
        Path(os.fsdecode(folder + b"/" + kind)).mkdir(parents=True)
        for name in (*NAMES, *(b"%d.png" % n for n in range(9))):
            pixels = generator.integers(0, 100 + 100 * number, (8, 8), numpy.uint8)
            try:
                pillow.fromarray(pixels).save(os.fsdecode(folder + b"/" + kind + b"/" + name))
            except OSError:
                pytest.skip("this file system takes UTF-8 names only")
    return tmp_path / "data"


def test_a_run_on_files_of_any_names_ends_well(
    data: Path, recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(('data = "digits"', f'data = "{data}"\nsize = 8\ncolor = "gray"'))
    out = tmp_path / "run"
    assert main([str(path), "--out", str(out), "--quiet"]) == 0
    assert "report: " in capsys.readouterr().out
    assert (out / "report.html").read_bytes().decode()
    rows = (out / "projector" / "00000" / "latents" / "metadata.tsv").read_text().splitlines()
    assert all(len(row.split("\t")) == 2 for row in rows)
    files = [name for part in json.loads((out / "data.json").read_text()).values() for name in part["files"]]
    assert "d\\udce9j\\udce0/caf\\udce9.png" in files
    assert "plain/two\\nlines.png" in files
    for suffix in (".npz", ".h5"):
        assert gonkit(["latents", str(out), "--out", str(tmp_path / f"z{suffix}")]) == 0
        names = [name for table in read_latents(tmp_path / f"z{suffix}").values() for name in table.names]
        assert "plain/caf\\udce9.png" in names


@pytest.mark.slow
def test_such_names_are_printed_with_escapes(data: Path) -> None:
    """To a pipe that takes strict UTF-8."""
    (data / "plain" / os.fsdecode(NAMES[0])).write_bytes(b"no picture")
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "gonkit", "check", str(data)]
    ran = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert b"caf\\udce9.png" in ran.stdout
    assert b"Traceback" not in ran.stderr


def test_a_recipe_names_no_such_folders(
    data: Path, recipe: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data / os.fsdecode(b"d\xe9j\xe0")
    expected = r"a path or name that is not UTF-8, \.\.\..*/d\\udce9; rename the file or folder"
    path = recipe()
    with pytest.raises(RecipeError, match=expected):
        read_recipe(path, [f"signal.data={folder}"])
    monkeypatch.chdir(folder)
    with pytest.raises(RecipeError, match=expected):
        read_recipe(path, ["signal.root=relative"])
