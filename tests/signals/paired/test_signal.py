"""The tasks of two signal types: what the field sees of a source, and mistakes in their recipes."""

from __future__ import annotations

import pytest
import torch

from gonkit.errors import GonkitError, RecipeError
from gonkit.recipe import parse_recipe
from signals.audio import Audio
from signals.image import Image
from signals.paired import Conditional, Paired, Translation, interpolate_grid
from tests.signals.paired.conftest import EIGHT, FOUR

RECIPE = """
name = "pairs"
[signal]
type = "signals.paired:{task}"
pairs = "{pairs}"
[signal.target]
type = "signals.image:Image"
data = "digits"
[signal.source]
type = "signals.image:Image"
data = "digits"
size = {size}
{more}
"""


def test_a_conditional_field_sees_the_source_at_every_point() -> None:
    photos = Image(data="photos")
    task = Conditional(target=photos, source=Image(data="photos", color="gray"), pairs="reduced", reach=1)
    assert task.conditioning_channels == 9
    assert not task.has_separate_encoder
    inputs = task.source.dataset("test").batch(torch.arange(1))
    seen = task.conditioning(inputs, photos.grid().coords)
    assert seen.shape == (1, 256, 9)
    torch.testing.assert_close(seen[..., 4], inputs.values[..., 0], atol=1e-5, rtol=0)  # the middle neighbor
    with pytest.raises(GonkitError, match=r"signal.source: Image has 1 channels by its settings; got 3"):
        task.conditioning(photos.dataset("test").batch(torch.arange(1)), photos.grid().coords)


def test_conditional_pairs_carry_their_source() -> None:
    task = Conditional(target=EIGHT, source=FOUR, pairs="reduced")
    index = torch.tensor([2, 7])
    dataset = task.dataset("test")
    inputs, target = dataset.pair(index)
    assert inputs is target
    assert target.source is not None
    expected = interpolate_grid(dataset.inputs(index).values, FOUR.grid(), EIGHT.grid().coords)
    torch.testing.assert_close(target.source, expected)
    torch.testing.assert_close(target.values, EIGHT.dataset("test").batch(index).values)


def test_a_source_of_another_dimension_has_no_value_at_the_points() -> None:
    task = Conditional(target=Audio(data="notes", length=200), source=EIGHT, pairs="class")
    message = r"Image has 2 coordinates and the target 1, so that .* use signals.paired:Translation"
    with pytest.raises(GonkitError, match=message):
        task.dataset("test").pair(torch.arange(2))


def test_translation_encodes_sources_and_decodes_targets() -> None:
    task = Translation(target=EIGHT, source=FOUR, pairs="reduced")
    assert task.has_separate_encoder
    assert task.conditioning_channels == 0
    assert (task.input_type, task.output_type) == (FOUR, EIGHT)
    inputs, target = task.dataset("test").pair(torch.arange(3))
    assert inputs.values.shape == (3, 16, 1)
    assert target.values.shape == (3, 64, 1)
    with pytest.raises(GonkitError, match="Translation is not conditioned on another signal"):
        task.conditioning(inputs, target.coords)


def test_mistakes_in_inner_tables_are_named() -> None:
    text = RECIPE.format(task="Translation", pairs="reduced", size="4\nfitt = 1", more="")
    with pytest.raises(RecipeError, match=r"signal.source: fitt: there is no such key; did you mean 'fit'\?"):
        parse_recipe(text)
    with pytest.raises(RecipeError, match=r"signal.target: missing its type; name a signal type"):
        parse_recipe(text.replace('[signal.target]\ntype = "signals.image:Image"', "[signal.target]"))


def test_settings_that_need_the_other_task_are_refused() -> None:
    dropout = RECIPE.format(task="Translation", pairs="reduced", size=4, more="[latent]\ndropout = 0.5")
    with pytest.raises(RecipeError, match=r"latent.dropout: only signals with a source"):
        parse_recipe(dropout)
    source = RECIPE.format(
        task="Conditional", pairs="edges", size=8, more="[loss]\nouter = { mse = 1.0, source = 1.0 }"
    )
    with pytest.raises(RecipeError, match=r"loss.outer.source: there is no source to predict"):
        parse_recipe(source)


def test_a_resolved_recipe_reads_back_the_same() -> None:
    recipe = parse_recipe(RECIPE.format(task="Translation", pairs="reduced", size=4, more=""))
    again = parse_recipe(recipe.toml())
    assert isinstance(again.signal, Paired)
    assert again.signal.source.grid().shape == (4, 4)
    assert again == recipe
