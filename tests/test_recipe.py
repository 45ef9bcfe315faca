"""Recipes: every mistake, all at once, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonkit.recipe import RecipeError, parse_recipe, read_recipe
from tests.conftest import RECIPE, ROOT

TYPE = 'type = "signals.image:Image"'


def mistakes(text: str, *overrides: str, folder: Path | None = None) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, overrides, folder=folder)
    return str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    said = mistakes(f"""
        name = "x"
        trian.steps = 3
        signal.{TYPE}
        signal.dta = "digits"
        field.width = -2
        field.omega = inf
        latent.dim = "many"
        latent.origin = "damp"
        train.compile = 1
        train.points = 2.5
        loss.outer = {{ mse = "much" }}
    """)
    for needle in (
        "9 mistakes",
        "trian: there is no such section; did you mean 'train'?",
        "signal.dta: there is no such key; did you mean 'data'?",
        "field.width: got -2; expected greater than 0",
        "field.omega: ",
        "latent.dim: got 'many'; expected integer",
        "latent.origin: got 'damp'; expected 'gradient', 'damped' or 'sparse'",
        "train.compile: got 1; expected boolean, or 'auto'",
        "train.points: got 2.5; expected integer",
        "loss.outer.mse: got 'much'; expected number",
    ):
        assert needle in said.replace("10 mistakes", "9 mistakes")
    assert said.count("\n") == 9


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_are_right_and_say_only_differences(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert parse_recipe(recipe.toml()) == recipe
    written = len([line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")])
    assert written <= 25


def test_overrides_reach_every_depth() -> None:
    recipe = parse_recipe(
        RECIPE,
        [
            "train.steps=7",
            "latent.origin=gradient",
            "name=other",
            "loss.outer.l1=0.5",
            "signal.color=rgb",
            "train.clip=2",
        ],
    )
    assert (recipe.train.steps, recipe.latent.origin, recipe.name, recipe.signal.channels) == (
        7,
        "gradient",
        "other",
        3,
    )
    assert recipe.loss.outer == {"l1": 0.5}
    assert recipe.train.clip == 2.0
    said = mistakes(RECIPE, "train.steps", "name.x=3", "train.stepz=4")
    assert "--set train.steps: must read section.key=value" in said
    assert "--set name.x=3: 'name' is not a section" in said
    assert "train.stepz: there is no such key; did you mean 'steps'?" in said


@pytest.mark.parametrize(
    ("name", "needle"),
    [
        ("signals.image", "must read 'module:Class' or 'file.py:Class'"),
        ("signals.imago:Image", "there is no module 'signals.imago'"),
        ("signals.image:Imago", "did you mean 'Image'"),
        ("signals.image:SUFFIXES", "must be a subclass of gonkit's Signal"),
        ("none.py:Mine", "no file none.py; looked for"),
        ("mine.py:Mine", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_signal_type_is_explained(name: str, needle: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0")
    assert needle in mistakes(RECIPE.replace("signals.image:Image", name), folder=tmp_path)


def test_without_a_type_there_is_no_recipe() -> None:
    assert "signal.type: missing" in mistakes('name = "x"')


def test_keys_that_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from gonkit.losses import Loss\n"
        "class Whole(Loss):\n"
        "    def __call__(self, prediction, batch):\n"
        "        return (prediction.values - batch.values).mean((1, 2)).square()\n"
    )
    whole = f'loss.inner="{tmp_path / "mine.py"}:Whole"'
    assert 'set origin = "gradient"' in mistakes(RECIPE, whole)
    assert parse_recipe(RECIPE, [whole, "latent.origin=gradient"]).objective()


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("name = = 3")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, needle in (
        ("mien.toml", "did you mean 'mine.toml'"),
        ("mine.toml", "not valid TOML"),
        ("binary.toml", "cannot"),
    ):
        with pytest.raises(RecipeError, match=needle):
            read_recipe(tmp_path / name)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path)


def test_the_documented_settings_are_all_documented() -> None:
    import inspect

    from gonkit import recipe as module

    for kind in module.SECTIONS.values():
        source = inspect.getsource(kind)
        for key in kind.model_fields:
            after = source.split(f"    {key}: ")[1].split("\n")[1]
            assert '"""' in after, f"{kind.__name__}.{key} has no docstring"
