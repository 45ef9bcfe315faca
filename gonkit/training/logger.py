"""A run's log while it trains: TensorBoard, metrics.jsonl and a progress bar."""

from __future__ import annotations

__all__ = ["METRICS_FILE", "RunLogger", "log_embedding", "read_metrics"]

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy
import torch
from torch import Tensor
from tqdm import tqdm

from gonkit.data import Signal
from gonkit.errors import reading
from gonkit.files import write_bytes
from gonkit.plotting import image_grid

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

METRICS_FILE = "metrics.jsonl"
PROGRESS_FORMATS = {"loss": "{:.4f}", "psnr": "{:.2f} dB", "accuracy": "{:.2%}"}
THUMBNAIL_SIZE = (32, 32)  # in TensorBoard's projector


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl, without a last line that a kill cut short.

    Raises:
        GonkitError: a line that is no step with numbers.
    """
    path = folder / METRICS_FILE
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [_parse_line(path, number, line) for number, line in enumerate(lines, 1)]


def _parse_line(path: Path, number: int, line: bytes) -> dict[str, Any]:
    with reading(path, "metrics", f"remove line {number}"):
        values = json.loads(line)
        if not isinstance(values, dict) or not isinstance(values.get("step"), int):
            raise ValueError(f"line {number} has no step")
        if wrong := [name for name, value in values.items() if not isinstance(value, int | float)]:
            raise ValueError(f"{wrong[0]!r} in line {number} is no number")
        return values


def log_embedding(
    folder: Path, latent: Tensor, names: Sequence[str], labels: Sequence[str] | None, previews: Sequence[Picture]
) -> None:
    """Writes latents (B, K) to TensorBoard's projector, each with a name, a label and a thumbnail.

    Replaces what an earlier call wrote, so that a run that is finished twice shows one point cloud.
    """
    from torch.utils.tensorboard.writer import SummaryWriter  # takes 1 s to import

    projector = folder / "projector"
    if projector.is_dir():
        shutil.rmtree(projector)
    rows = [[name] for name in names] if labels is None else [list(row) for row in zip(names, labels, strict=True)]
    header = ["name"] if labels is None else ["name", "label"]
    small = [numpy.asarray(preview.convert("RGB").resize(THUMBNAIL_SIZE)) for preview in previews]
    thumbnails = torch.from_numpy(numpy.stack(small)).movedim(-1, 1).float() / 255
    with SummaryWriter(str(projector)) as writer:
        writer.add_embedding(latent, rows, thumbnails, 0, "latents", header)


class RunLogger:
    """Curves and pictures of one run. When a run is resumed, what was logged after `step` is removed first.

    Args:
        folder: of the run.
        signal: how objects are shown.
        step: updates made so far.
        steps: updates to make.
        quiet: no progress bar.
    """

    def __init__(self, folder: Path, signal: Signal, step: int, steps: int, quiet: bool = False) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter  # takes 1 s to import

        kept = [line for line in read_metrics(folder) if line["step"] <= step] if step else []
        write_bytes(folder / METRICS_FILE, "".join(json.dumps(line) + "\n" for line in kept).encode())
        if not step:
            for stale in folder.glob("events.out.tfevents.*"):
                stale.unlink()
        self.signal = signal
        self.lines = (folder / METRICS_FILE).open("a", buffering=1)
        self.writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        self.bar = tqdm(total=steps, initial=step, unit="step", disable=quiet, dynamic_ncols=True, mininterval=0.5)
        self.postfix: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()
        self.lines.close()
        self.writer.close()

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to each curve; curves are grouped by what precedes the slash of their names."""
        self.lines.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def update_progress(self, group: str, values: Mapping[str, float]) -> None:
        """Shows the most important metrics of a group beside the progress bar."""
        for name, form in PROGRESS_FORMATS.items():
            if f"{group}/{name}" in values:
                self.postfix[f"{group} {name}"] = form.format(values[f"{group}/{name}"])
        self.bar.set_postfix(self.postfix, refresh=False)

    def write_line(self, text: str) -> None:
        """Prints a line above the progress bar."""
        self.bar.write(text)

    def log_image(self, step: int, name: str, picture: Picture) -> None:
        """Adds a picture."""
        self.writer.add_image(name, numpy.asarray(picture.convert("RGB")), step, dataformats="HWC")

    def log_objects(
        self, step: int, name: str, rows: Sequence[Sequence[Any]], titles: Sequence[str] | None = None
    ) -> None:
        """Adds objects as a grid of previews, and the first of each row in the signal type's own form."""
        self.log_image(step, name, image_grid([[self.signal.preview(obj) for obj in row] for row in rows], titles))
        for title, row in zip(titles or map(str, range(1, len(rows) + 1)), rows, strict=True):
            self.signal.display.log(self.writer, f"{name}/{title}", row[0], step)

    def log_latent_histograms(self, step: int, latent: Tensor) -> None:
        """Adds histograms of all entries of latents (B, K), and of their norms."""
        self.writer.add_histogram("latent/values", latent.flatten(), step)
        self.writer.add_histogram("latent/norms", latent.norm(dim=1), step)
