"""Signal types of a user's own, from training to the report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gonkit.cli import main

TABLE = '''
"""A field whose objects are saved as tables of numbers."""

import numpy
from gonkit.data import SignalFiles
from gonkit.files import atomic_path
from tests.data.fields import Field


class TableFiles(SignalFiles):
    write_suffixes = (".csv",)

    def save(self, obj, stem, suffix=None):
        path = self.path(stem, suffix)
        with atomic_path(path) as temporary:
            numpy.savetxt(temporary, obj[..., 0], delimiter=",")
        return path


class Table(Field):
    @property
    def files(self):
        return TableFiles(self.to_object, self.preview)
'''
RECIPE = """
name = "own"
signal.type = "{type}"
field = {{ width = 16, layers = 2, omega = 5.0 }}
latent.dim = 4
train = {{ steps = 3, compile = false }}
"""


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str) -> Path:
    """Trains a class of a file `own.py` for three steps; gives the run folder."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(source)
    Path("own.toml").write_text(RECIPE.format(type=f"own.py:{name}"))
    assert main(["run", "own.toml", "--quiet"]) == 0
    return Path("runs/own/0001")


def test_files_that_are_no_pictures_are_shown_by_their_previews(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(tmp_path, monkeypatch, TABLE, "Table")
    page = (folder / "report.html").read_text()
    links = re.findall(r'<a href="(samples/sample_\d+\.csv)"><img src="data:image/png;base64,', page)
    assert len(links) == 20
    assert all((folder / link).is_file() for link in links)
    assert not re.findall(r"<img src=['\"][^'\"]+\.csv", page)
    assert main(["sample", str(folder), "--count", "2"]) == 0
    assert sorted(path.name for path in Path("sample").iterdir()) == ["sample_00.csv", "sample_01.csv"]
