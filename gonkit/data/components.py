"""How a signal type is shown and measured; every method has a default."""

from __future__ import annotations

__all__ = ["Display", "Measures", "Metric"]

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from torch.utils.tensorboard.writer import SummaryWriter

Metric = Callable[[Tensor, Tensor], Tensor]
"""Prediction and values, both (B, *shape, C) → (B,)."""


class Display:
    """How objects appear in the report and in TensorBoard, beside the previews that every type has.

    Class attributes:
        preview_is_complete: whether a preview shows all there is to an object; if not, the report shows files too.
    """

    preview_is_complete: ClassVar[bool] = True

    def html(self, path: str, preview: Picture) -> str:
        """HTML for a saved object: by default its preview, which links to the file at `path`."""
        buffer = io.BytesIO()
        preview.save(buffer, "png")
        picture = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        return f'<a href="{escape(path)}"><img src="{picture}" alt="{escape(Path(path).name)}"></a>'

    def log(self, writer: SummaryWriter, tag: str, obj: Any, step: int) -> None:
        """Writes an object to TensorBoard in a form of its own, such as a sound or a mesh."""


class Measures:
    """Metrics of a signal type beyond mse, psnr and snr."""

    def metrics(self) -> Mapping[str, Metric]:
        """Metrics of values by name.

        The grid may be larger than the training one, where a whole file is measured; signals with points of their own
        are given as (B, P, C).
        """
        return {}

    def classifier_features(self, values: Tensor) -> Tensor:
        """Input (B, *any shape, any C) of the classifier that judges samples, from values (B, *shape, C).

        One to three axes; a spectrum, say, where the values themselves tell little.
        """
        return values

    def point_cloud(self, obj: Any, count: int) -> Tensor | None:
        """(count, 3) points of an object, by which sets of objects are compared; None for other types."""
        return None

    def object_metrics(self, objects: Sequence[Any], references: Sequence[Any]) -> dict[str, float]:
        """Means over pairs of a reconstructed object and its original."""
        return {}

    def sample_metrics(self, objects: Sequence[Any]) -> dict[str, float]:
        """Means over objects that have no originals, such as samples: how many are valid, say."""
        return {}
