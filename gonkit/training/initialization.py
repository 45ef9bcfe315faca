"""The weights with which a run begins."""

from __future__ import annotations

__all__ = ["start_from_model"]

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from gonkit.errors import GonkitError
from gonkit.inference import read_model_file
from gonkit.nn import GON
from gonkit.recipe import Recipe

FUNCTION_KEYS = (  # what a field's weights mean depends on
    *(f"field.{key}" for key in ("width", "layers", "omega", "omega_hidden", "latent", "series")),
    "latent.dim",
)
HEADS = ("classifier.", "posterior.")


def start_from_model(gon: GON, recipe: Recipe, source: Path) -> None:
    """Gives a network the weights of a trained model.

    Fields come over with the statistics by which their values are standardized, so that the network begins as that
    model, in the signals' own units, whatever data it goes on with. Heads for labels and posteriors come over where
    both have them in the same shape, and otherwise stay as they are.

    Args:
        gon: the network to start.
        recipe: its recipe.
        source: a run folder or a model file.

    Raises:
        GonkitError: no model there, or one whose fields are others; the keys that differ are named.
    """
    content = read_model_file(source)
    theirs, ours = content.gon.state_dict(), gon.state_dict()
    differing = _differing_keys(content.recipe, recipe)
    differing = differing or [
        f"{key}: {_shape(theirs, key)} there, {_shape(ours, key)} here"
        for key in sorted(theirs.keys() | ours.keys())
        if not key.startswith(HEADS) and _shape(theirs, key) != _shape(ours, key)
    ]
    if gon.outputs_logits != content.gon.outputs_logits:
        differing.append("loss.outer: one of both predicts logits")
    if differing:
        raise GonkitError(
            f"train.init_from: the field of {source} is another\n  " + "\n  ".join(differing) + "\nset these keys alike"
        )
    gon.load_state_dict(ours | {key: theirs[key] for key in theirs if _shape(theirs, key) == _shape(ours, key)})


def _differing_keys(source: Recipe, recipe: Recipe) -> list[str]:
    channels = [one.signal.output_type.channels for one in (source, recipe)]
    lines = [] if channels[0] == channels[1] else ["channels: {} there, {} here".format(*channels)]
    for key in FUNCTION_KEYS:
        section, name = key.split(".")
        there, here = (getattr(getattr(one, section), name) for one in (source, recipe))
        if there != here:
            lines.append(f"{key}: {there} there, {here} here")
    return lines


def _shape(tensors: Mapping[str, Tensor], key: str) -> str:
    return str(tuple(tensors[key].shape)) if key in tensors else "none"
