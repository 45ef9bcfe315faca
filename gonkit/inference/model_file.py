"""The model file: weights, recipe, prior and class names in one safetensors file."""

from __future__ import annotations

__all__ = ["MODEL_FILE", "ModelContent", "read_model_file", "write_model_file"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from gonkit._version import __version__
from gonkit.data import DATA_FILE
from gonkit.errors import GonkitError, reading
from gonkit.files import read_tensors, write_tensors
from gonkit.inference.build import build_gon
from gonkit.nn import GON
from gonkit.priors import Prior, load_prior
from gonkit.recipe import Recipe, TaskSource, parse_recipe

MODEL_FILE = "model.safetensors"
RECIPE_FILE = "recipe.toml"  # of the run folder in which a model file lies
FORMAT = 3


class ModelContent(NamedTuple):
    """What a model file holds.

    Attributes:
        recipe: by which the model was trained.
        gon: the network.
        prior: of its latents.
        class_names: of the labels.
        has_own_data: whether it was trained on data sets passed to `gonkit.train`, which the recipe does not name.
        data_file: the record of its data, where it lies in a run folder.
    """

    recipe: Recipe
    gon: GON
    prior: Prior
    class_names: tuple[str, ...]
    has_own_data: bool
    data_file: Path | None = None


def write_model_file(path: Path, content: ModelContent) -> None:
    """Writes a model file."""
    tensors = {f"gon.{key}": value for key, value in content.gon.state_dict().items()}
    tensors |= {f"prior.{key}": value for key, value in content.prior.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "gonkit": __version__,
        "recipe": content.recipe.toml(),
        "class_names": list(content.class_names),
        "own_data": content.has_own_data,
    }
    write_tensors(path, tensors, metadata)


def read_model_file(path: Path, signal: TaskSource | None = None, data: str | None = None) -> ModelContent:
    """The content of a model file, or of the one in a run folder.

    Args:
        path: of either.
        signal: instead of the signal type that it names; see `gonkit.load`.
        data: instead of the setting `data` of its signal type.

    Raises:
        GonkitError: no such file, or not a model file of this format; or one that would run code that no run of the
            user's own has used.
    """
    if path.is_dir():
        if not (path / MODEL_FILE).is_file():
            unfinished = (path / RECIPE_FILE).is_file()
            fix = (
                f"finish it with python -m gonkit.run --resume {path}, or as it is with gonkit finish {path}"
                if unfinished
                else "give a run folder"
            )
            raise GonkitError(f"{path}: no {MODEL_FILE} in it; {fix}")
        path = path / MODEL_FILE
    tensors, metadata = read_tensors(path)
    if "recipe" not in metadata:
        raise GonkitError(f"{path}: not a gonkit model: it holds no recipe")
    if (found := metadata.get("format", 1)) != FORMAT:
        raise GonkitError(
            f"{path}: a model file of format {found}, and this version of gonkit reads format {FORMAT}: train its "
            "recipe again"
        )
    overrides = [] if data is None else [f"signal.data={json.dumps(data)}"]
    text, class_names = metadata["recipe"], metadata.get("class_names", [])
    if not isinstance(text, str) or not isinstance(class_names, list):
        raise GonkitError(f"{path}: not a gonkit model: its recipe is no text, or its class names no list")
    recipe = parse_recipe(text, overrides, source=str(path), folder=path.parent, signal=signal, stored=True)
    with reading(path, "a model of its recipe"):
        weights = _strip_prefix(tensors, "gon.")
        stored = sum(map(Tensor.numel, weights.values()))
        if stored < recipe.min_weights(len(class_names)):  # before that much memory is taken
            raise ValueError("it has fewer weights than its recipe tells")
        gon = build_gon(recipe, classes=len(class_names))
        gon.load_state_dict(weights)
        prior = load_prior(_strip_prefix(tensors, "prior."))
    gon = gon.eval().requires_grad_(False)
    data_file = path.parent / DATA_FILE if path.with_name(RECIPE_FILE).is_file() else None
    return ModelContent(
        recipe, gon, prior, tuple(map(str, class_names)), bool(metadata.get("own_data", False)), data_file
    )


def _strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
