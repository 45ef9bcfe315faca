"""Recipe files: what is none, what lies beside one, and what is too large."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonkit.errors import GonkitError, RecipeError
from gonkit.recipe import parse_recipe, read_recipe
from tests.conftest import RECIPE


def message_of(text: str, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, overrides)
    return str(caught.value)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("name = = 3")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, needle in (
        ("mien.toml", "did you mean 'mine.toml'"),
        ("mine.toml", "not valid TOML"),
        ("binary.toml", "cannot be read as a recipe"),
    ):
        with pytest.raises(GonkitError, match=needle):
            read_recipe(tmp_path / name)
    with pytest.raises(GonkitError, match="cannot be read as a recipe: Is a directory"):
        read_recipe(tmp_path)


def test_networks_and_tables_without_end_are_refused() -> None:
    assert "field.width" in message_of(RECIPE, "field.width=1000000000")
    assert "the limit is 1,073,741,824" in message_of(RECIPE, "field.width=65536", "field.layers=5")
    assert "not valid TOML" in message_of("a = " + "[" * 100_000)
    assert "train.steps" in message_of(RECIPE, "train.steps=" + "9" * 5000)
    assert "must be one value" in message_of(RECIPE, "train.steps=3\nname = 4")


def test_a_file_beside_the_recipe_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "mine.py").write_text("from signals.image import Image\n\n\nclass Mine(Image):\n    pass\n")
    (folder / "mine.toml").write_text(RECIPE.replace("signals.image:Image", "mine.py:Mine"))
    recipe = read_recipe(folder / "mine.toml")
    assert recipe.signal.type == f"{(folder / 'mine.py').resolve()}:Mine"
    monkeypatch.chdir(tmp_path)
    assert parse_recipe(recipe.toml()) == recipe
