"""What each kind of model can do, and what its refusals say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

import gonkit
from gonkit.errors import GonkitError
from gonkit.inference import Ability

ABILITIES: dict[str, set[Ability]] = {  # kind of model → what it can do
    "plain": {"encode", "decode", "sample", "predict", "reconstruct"},
    "classifier": {"encode", "classify"},
    "conditional": {"predict", "convert"},
    "translation": {"encode", "decode", "sample", "predict", "convert"},
    "variational": {"encode", "decode", "sample", "predict", "reconstruct"},
}


@pytest.mark.parametrize("kind", ABILITIES)
def test_models_do_what_their_kind_can_and_refuse_the_rest(trained: Callable[[str], Path], kind: str) -> None:
    model = gonkit.load(trained(kind))
    for ability in get_args(Ability):
        if ability in ABILITIES[kind]:
            model.require(ability)
        else:
            with pytest.raises(GonkitError, match=f"^this model cannot {ability}: .*; (use gonkit|train with) "):
                model.require(ability)


def test_refusals_name_the_command_that_helps(trained: Callable[[str], Path], tmp_path: Path) -> None:
    plain, conditional = gonkit.load(trained("plain")), gonkit.load(trained("conditional"))
    with pytest.raises(GonkitError, match="use gonkit convert, with --count for several results"):
        conditional.sample(1)
    with pytest.raises(GonkitError, match="use gonkit convert --style SOURCE TARGET"):
        conditional.encode([tmp_path / "any.png"])
    with pytest.raises(GonkitError, match="use gonkit reconstruct"):
        plain.convert([tmp_path / "any.png"])
    with pytest.raises(GonkitError, match=r"train with a loss on labels, as in loss.outer = \{ cross_entropy = 1.0 \}"):
        plain.classify([tmp_path / "any.png"])
    classifier = gonkit.load(trained("classifier"))
    with pytest.raises(GonkitError, match="use gonkit classify"):
        classifier.decode(classifier.prior.sample(1))
    translation = gonkit.load(trained("translation"))
    with pytest.raises(GonkitError, match="use gonkit convert"):
        translation.reconstruct(tmp_path / "any.png", tmp_path / "out")
