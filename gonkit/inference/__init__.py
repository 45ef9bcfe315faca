"""What a trained model is used for: encoding, decoding, sampling, interpolating, whole files."""

from __future__ import annotations

from gonkit.inference.abilities import Ability
from gonkit.inference.build import ValueStatistics, build_gon, start_series
from gonkit.inference.density import density_path
from gonkit.inference.encoding import encode_dataset, encode_signals, prior_indices
from gonkit.inference.inputs import Signals, as_batch
from gonkit.inference.interpolation import (
    Interpolation,
    analogy,
    class_means,
    interpolate,
    interpolate_path,
    slerp,
)
from gonkit.inference.model import Model
from gonkit.inference.model_file import MODEL_FILE, RECIPE_FILE, read_model_file
from gonkit.inference.objects import (
    decode_objects,
    input_objects,
    iterate_objects,
    reconstruct_objects,
    reference_objects,
    save_objects,
)
from gonkit.inference.tiling import reconstruct_tiled
from gonkit.inference.whole_files import reconstruct_file

__all__ = [
    "MODEL_FILE",
    "RECIPE_FILE",
    "Ability",
    "Interpolation",
    "Model",
    "Signals",
    "ValueStatistics",
    "analogy",
    "as_batch",
    "build_gon",
    "class_means",
    "decode_objects",
    "density_path",
    "encode_dataset",
    "encode_signals",
    "input_objects",
    "interpolate",
    "interpolate_path",
    "iterate_objects",
    "prior_indices",
    "read_model_file",
    "reconstruct_file",
    "reconstruct_objects",
    "reconstruct_tiled",
    "reference_objects",
    "save_objects",
    "slerp",
    "start_series",
]
