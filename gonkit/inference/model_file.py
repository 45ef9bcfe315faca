"""The model file: weights, recipe, prior and class names in one safetensors file."""

from __future__ import annotations

__all__ = ["MODEL_FILE", "read_model_file", "write_model_file"]

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from gonkit._version import __version__
from gonkit.errors import GonkitError
from gonkit.files import read_tensors, write_tensors
from gonkit.inference.build import build_gon
from gonkit.nn import GON
from gonkit.priors import Prior, load_prior
from gonkit.recipe import Recipe, parse_recipe

MODEL_FILE = "model.safetensors"
FORMAT = 2


def write_model_file(path: Path, recipe: Recipe, gon: GON, prior: Prior, class_names: Sequence[str]) -> None:
    """Writes a model file."""
    tensors = {f"gon.{key}": value for key, value in gon.state_dict().items()}
    tensors |= {f"prior.{key}": value for key, value in prior.state_dict().items()}
    metadata = {"format": FORMAT, "gonkit": __version__, "recipe": recipe.toml(), "class_names": list(class_names)}
    write_tensors(path, tensors, metadata)


def read_model_file(path: Path) -> tuple[Recipe, GON, Prior, tuple[str, ...]]:
    """Recipe, network, prior and class names of a model file, or of the one in a run folder.

    Raises:
        GonkitError: no such file, or not a model file of this format.
    """
    if path.is_dir():
        if not (path / MODEL_FILE).is_file():
            unfinished = (path / "recipe.toml").is_file()
            fix = f"finish it with python -m gonkit.run --resume {path}" if unfinished else "give a run folder"
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
    recipe = parse_recipe(metadata["recipe"], source=str(path))
    class_names = tuple(metadata.get("class_names", ()))
    gon = build_gon(recipe, classes=len(class_names))
    try:
        gon.load_state_dict(_strip_prefix(tensors, "gon."))
        prior = load_prior(_strip_prefix(tensors, "prior."))
    except (RuntimeError, KeyError) as error:
        raise GonkitError(f"{path}: weights that do not fit its recipe: {error}") from None
    return recipe, gon.eval().requires_grad_(False), prior, class_names


def _strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
