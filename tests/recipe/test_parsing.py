"""Recipes: every mistake, all at once, with its key."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gonkit.errors import RecipeError
from gonkit.recipe import parse_recipe, recipe_from_dict
from gonkit.recipe.parsing import RENAMED_KEYS
from signals.image import Image
from tests.conftest import COLORIZE, IMAGES, RECIPE, SUPERRES, changed_recipe
from tests.data.fields import Field

TYPE = 'type = "signals.image:Image"'


def message_of(text: str, *overrides: str, folder: Path | None = None) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, overrides, folder=folder)
    return str(caught.value)


def test_all_mistakes_are_reported_at_once() -> None:
    message = message_of(f"""
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
    for line in (
        "recipe: 9 mistakes",
        "  trian: there is no such section; did you mean 'train'?",
        "  signal.dta: there is no such key; did you mean 'data'?",
        "  field.width: got -2; expected greater than 0",
        "  field.omega: got inf; expected a finite number",
        "  latent.dim: got 'many'; expected integer",
        "  latent.origin: got 'damp'; expected 'gradient', 'damped' or 'sparse'",
        "  train.compile: got 1; expected boolean, or 'auto'",
        "  train.points: got 2.5; expected integer",
        "  loss.outer.mse: got 'much'; expected number",
    ):
        assert line in message.splitlines()
    assert message.count("\n") == 9


@pytest.mark.parametrize(("section", "old"), list(RENAMED_KEYS))
def test_a_renamed_key_s_new_name_is_told(section: str, old: str) -> None:
    new = RENAMED_KEYS[section, old]
    value = {"standardise": "false", "colour": '"gray"'}.get(old, "0.5")
    assert message_of(RECIPE, f"{section}.{old}={value}") == (
        f"recipe: 1 mistake\n  {section}.{old}: this key is called {section}.{new} now"
    )
    message = message_of(RECIPE, f"{section}.{old}={value}", f"{section}.unknown=1")  # beside other mistakes
    assert "recipe: 2 mistakes" in message
    assert f"{section}.unknown: there is no such key" in message


def test_a_signal_type_of_one_s_own_may_have_a_renamed_key(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from signals.image import Image\n\n\nclass Mine(Image):\n    colour: str = 'red'\n"
    )
    text = RECIPE.replace("signals.image:Image", "mine.py:Mine")
    assert parse_recipe(text, ["signal.colour=blue"], folder=tmp_path).signal.model_dump()["colour"] == "blue"


def test_the_renamed_keys_are_those_that_the_changes_name() -> None:
    assert {f"{section}.{old}": new for (section, old), new in RENAMED_KEYS.items()} == {
        "field.standardise": "standardize",
        "latent.drop": "dropout",
        "train.rows": "max_points",
        "train.floor": "lr_floor",
        "train.clip": "grad_clip",
        "signal.colour": "color",
        "signal.pattern": "label",
    }


@pytest.mark.parametrize("word", ["2024", "1e3", "true", "3.50"])
def test_a_number_is_a_word_where_text_is_wanted(word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = parse_recipe(RECIPE, [f"signal.data={word}", "train.steps=7"])
    assert recipe.signal.data == str(tmp_path / word)  # type: ignore[attr-defined]
    assert recipe.train.steps == 7


@pytest.mark.parametrize("word", ["2024-01-31", "10:30:00", "2024-01-31T10:30:00Z"])
def test_a_date_is_no_value_but_may_be_a_word_of_the_command_line(
    word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_recipe(RECIPE, [f"signal.data={word}"]).signal.data == str(tmp_path / word)  # type: ignore[attr-defined]
    message = message_of(
        f"name = {word}\nfield.width = {word}\nloss.outer = {{ mse = {word} }}\n"
        f"signal = {{ {TYPE}, data = {word}, size = [8, {word}] }}"
    )
    for key in ("name", "field.width", "loss.outer.mse", "signal.data", "signal.size.1"):
        assert f"  {key}: got the date or time {word[:10]}" in message
    assert "if it is text, write" in message


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a/b", "../x", "/x", "", "a\n", "a\\b", "c:"])
def test_a_name_that_is_no_folder_in_runs_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match=r"name: got .*; expected letters, digits.*it is a folder in runs/"):
        recipe_from_dict({"name": name, "signal": Field()})
    assert recipe_from_dict({"name": "Größe-1.5_x", "signal": Field()}).name == "Größe-1.5_x"


@pytest.mark.parametrize("override", ["signal.root", "train.device", "field"])
def test_an_override_without_a_value_is_explained(override: str) -> None:
    assert f"--set {override}: must read section.key=value" in message_of(RECIPE, override)


def test_the_home_folder_is_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_recipe(RECIPE, ["signal.data=~/pictures"]).signal.data == str(tmp_path / "pictures")  # type: ignore[attr-defined]


def test_overrides_reach_every_depth() -> None:
    recipe = parse_recipe(
        RECIPE,
        [
            "train.steps=7",
            "latent.origin=gradient",
            "name=other",
            "loss.outer.l1=0.5",
            "signal.color=rgb",
            "train.grad_clip=2",
        ],
    )
    assert (recipe.train.steps, recipe.latent.origin, recipe.name) == (7, "gradient", "other")
    assert recipe.signal.output_type.channels == 3
    assert recipe.loss.outer == {"l1": 0.5}
    assert recipe.train.grad_clip == 2.0
    message = message_of(RECIPE, "train.steps", "name.x=3", "train.stepz=4")
    assert "--set train.steps: must read section.key=value" in message
    assert "--set name.x=3: 'name' is not a section" in message
    assert "train.stepz: there is no such key; did you mean 'steps'?" in message


@pytest.mark.parametrize(
    ("name", "needle"),
    [
        ("signals.image", "must read 'module:Class' or 'file.py:Class'"),
        ("signals.imago:Image", "there is no module 'signals.imago'"),
        ("signals.image:Imago", "did you mean 'Image'"),
        ("signals.image:load_photographs", "must be a subclass of gonkit's Task"),
        ("none.py:Mine", "no file none.py; looked for"),
        ("mine.py:Mine", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_wrong_signal_type_is_explained(name: str, needle: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0")
    assert needle in message_of(RECIPE.replace("signals.image:Image", name), folder=tmp_path)


def test_without_a_type_there_is_no_recipe() -> None:
    assert "signal.type: missing" in message_of('name = "x"')


def test_keys_that_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from gonkit.losses import Loss\n"
        "class MeanLoss(Loss):\n"
        "    def __call__(self, prediction, batch):\n"
        "        return (prediction.values - batch.values).mean((1, 2)).square()\n"
    )
    mean_loss = f'loss.inner="{tmp_path / "mine.py"}:MeanLoss"'
    assert 'set origin = "gradient"' in message_of(RECIPE, mean_loss)
    assert parse_recipe(RECIPE, [mean_loss, "latent.origin=gradient"]).objective
    assert "latent.refine: refinement needs a pointwise" in message_of(RECIPE, mean_loss, "latent.refine=1")


@pytest.mark.parametrize(
    ("override", "needle"),
    [
        ("latent.dropout=0.5", "latent.dropout: only signals with a source can be predicted from the origin"),
        ("loss.outer.source=1.0", "loss.outer.source: there is no source to predict"),
        ("loss.outer.msee=1.0", "loss: no loss is called 'msee'; did you mean 'mse'?"),
        ("loss.outer={ bce = 1.0 }", "loss: inner and outer losses must take the field's values alike"),
        ("loss.anneal.kl=10", "loss: anneal names 'kl', which is no outer term"),
        ("train.polish=0.2", "train.polish: trains on refined latents, and latent.refine is 0"),
    ],
)
def test_losses_that_do_not_fit_are_explained(override: str, needle: str) -> None:
    assert needle in message_of(RECIPE, override)


def test_the_latents_of_a_variational_model_are_not_polished() -> None:
    changes = ["loss.outer={ mse = 1.0, kl = 0.1 }", "latent.refine=1", "train.polish=0.2"]
    assert "train.polish: the latents of a variational model" in message_of(RECIPE, *changes)


def test_a_loss_that_differentiates_the_field_is_not_compiled() -> None:
    penalty = ["loss.outer={ mse = 1.0, latent_gradient = 1e-3 }"]
    assert parse_recipe(RECIPE, penalty).train.compile == "auto"
    assert "train.compile: a loss here differentiates the field" in message_of(RECIPE, *penalty, "train.compile=true")


def test_paths_of_a_signal_type_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = parse_recipe(RECIPE, ["signal.data=pictures", "signal.root=public"])
    assert isinstance(recipe.signal, Image)
    assert recipe.signal.data == str(tmp_path.resolve() / "pictures")
    assert recipe.signal.root == str(tmp_path.resolve() / "public")
    pairs = parse_recipe(changed_recipe((IMAGES, COLORIZE)), ["signal.target.data=pictures"]).signal
    assert isinstance(pairs.output_type, Image)
    assert isinstance(pairs.input_type, Image)
    assert pairs.output_type.data == str(tmp_path.resolve() / "pictures")
    assert parse_recipe(RECIPE).signal == parse_recipe(RECIPE).signal.with_absolute_paths()


def test_a_name_of_a_data_set_never_hides_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = parse_recipe(RECIPE)
    (tmp_path / "digits").mkdir()
    assert "signal.data: 'digits' may be the set of that name or" in message_of(RECIPE)
    pairs = changed_recipe((IMAGES, SUPERRES))
    assert "signal.target: data: 'digits' may be the set" in message_of(pairs)
    assert parse_recipe(RECIPE, ["signal.data=set:digits"]) == recipe
    assert parse_recipe(RECIPE, ["signal.data=./digits"]).signal.data == str(tmp_path.resolve() / "digits")  # type: ignore[attr-defined]
    assert parse_recipe(recipe.toml()) == recipe  # a run is resumed and a model opened anywhere
    assert recipe_from_dict({"name": "small", "signal": recipe.signal}).signal == recipe.signal


def test_a_dictionary_says_what_a_file_says() -> None:
    table = {"name": "small", "signal": {"type": "signals.image:Image", "data": "digits"}, "field": {"width": 16}}
    recipe = recipe_from_dict(table, ["train.steps=3"])
    assert recipe == parse_recipe(
        f'name = "small"\nfield.width = 16\ntrain.steps = 3\n[signal]\n{TYPE}\ndata = "digits"\n'
    )
    assert table["signal"] == {"type": "signals.image:Image", "data": "digits"}  # not changed
    with pytest.raises(RecipeError, match=r"recipe: 1 mistake\n  field\.width: got '16'; expected integer"):
        recipe_from_dict(table | {"field": {"width": "16"}})


def test_a_dictionary_may_hold_a_task_itself() -> None:
    signal = Field(shape=[4, 5])
    recipe = recipe_from_dict({"name": "fields", "signal": signal})
    assert type(recipe.signal) is Field
    assert recipe.signal.type == "tests.data.fields:Field"
    assert recipe.signal.grid().shape == (4, 5)
    assert parse_recipe(recipe.toml()) == recipe
    assert recipe_from_dict({"name": "fields", "signal": recipe.signal}) == recipe
    changed = recipe_from_dict({"name": "fields", "signal": signal}, ["signal.channel_count=2"]).signal
    assert changed.output_type.channels == 2
    assert signal.channels == 1


def test_a_task_of_a_script_is_found_by_the_script_s_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text("from tests.data.fields import Field\n\n\nclass Mine(Field):\n    pass\n")
    mine = type("Mine", (Field,), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)
    recipe = recipe_from_dict({"name": "fields", "signal": mine(shape=[3])})
    assert recipe.signal.type == f"{script.resolve()}:Mine"
    assert recipe.signal.output_type.grid().shape == (3,)


def test_a_task_of_two_signals_itself_is_read_back_whole() -> None:
    pairs = parse_recipe(changed_recipe((IMAGES, COLORIZE))).signal
    recipe = recipe_from_dict({"name": "pairs", "signal": pairs})
    assert recipe.signal == pairs
    assert parse_recipe(recipe.toml()).signal == pairs
