"""What a run tells while it lasts: TensorBoard, metrics.jsonl and a progress bar."""

from __future__ import annotations

__all__ = ["METRICS_FILE", "Tracker", "read_metrics", "show_projector"]

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

from gonkit.checkpoint import write_atomically
from gonkit.sheet import contact_sheet
from gonkit.signal import Signal

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

METRICS_FILE = "metrics.jsonl"
BESIDE_THE_BAR = {"loss": "{:.4f}", "psnr": "{:.2f} dB", "accuracy": "{:.2%}"}
THUMBNAIL = (32, 32)  # pixels, in the projector


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl; a last line cut short by a kill is left out."""
    path = folder / METRICS_FILE
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def show_projector(
    folder: Path, latent: Tensor, names: Sequence[str], labels: Sequence[str] | None, pictures: Sequence[Picture]
) -> None:
    """Latents (B, K) in TensorBoard's projector, with a name, a label and a thumbnail each.

    Replaces what an earlier call left, so that a run that is finished twice shows one cloud.
    """
    from torch.utils.tensorboard.writer import SummaryWriter  # 1 s to import

    stale = folder / "projector"
    if stale.is_dir():
        shutil.rmtree(stale)
    rows = [[name] for name in names] if labels is None else [list(row) for row in zip(names, labels, strict=True)]
    header = ["name"] if labels is None else ["name", "label"]
    small = [numpy.asarray(picture.convert("RGB").resize(THUMBNAIL)) for picture in pictures]
    thumbnails = torch.from_numpy(numpy.stack(small)).movedim(-1, 1).float() / 255
    with SummaryWriter(str(stale)) as writer:
        writer.add_embedding(latent, rows, thumbnails, 0, "latents", header)


class Tracker:
    """One run's curves and pictures. On resuming, what lies after `step` is cut off first.

    Args:
        folder: of the run.
        signal: how its objects are shown.
        step: updates made so far.
        steps: updates to make.
        quiet: no progress bar.
    """

    def __init__(self, folder: Path, signal: Signal, step: int, steps: int, quiet: bool = False) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter  # 1 s to import

        kept = [line for line in read_metrics(folder) if line["step"] <= step] if step else []
        write_atomically(folder / METRICS_FILE, "".join(json.dumps(line) + "\n" for line in kept).encode())
        if not step:
            for stale in folder.glob("events.out.tfevents.*"):
                stale.unlink()
        self.signal = signal
        self.lines = (folder / METRICS_FILE).open("a", buffering=1)
        self.writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        self.bar = tqdm(total=steps, initial=step, unit="step", disable=quiet, dynamic_ncols=True, mininterval=0.5)
        self.shown: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()
        self.lines.close()
        self.writer.close()

    def figures(self, step: int, values: Mapping[str, float]) -> None:
        """Points of curves, grouped by what stands before the slash."""
        self.lines.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def show(self, group: str, values: Mapping[str, float]) -> None:
        """What a user looks for first among a group's figures, beside the progress bar."""
        for name, form in BESIDE_THE_BAR.items():
            if f"{group}/{name}" in values:
                self.shown[f"{group} {name}"] = form.format(values[f"{group}/{name}"])
        self.bar.set_postfix(self.shown, refresh=False)

    def say(self, text: str) -> None:
        """A line above the progress bar."""
        self.bar.write(text)

    def picture(self, step: int, name: str, picture: Picture) -> None:
        """A picture in RGB."""
        self.writer.add_image(name, numpy.asarray(picture), step, dataformats="HWC")

    def objects(self, step: int, name: str, rows: Sequence[Sequence[Any]], titles: Sequence[str] | None = None) -> None:
        """Natural objects as a contact sheet, and as the signal type shows them itself."""
        self.picture(step, name, contact_sheet([[self.signal.picture(thing) for thing in row] for row in rows], titles))
        for title, row in zip(titles or map(str, range(1, len(rows) + 1)), rows, strict=True):
            self.signal.log(self.writer, f"{name}/{title}", row[0], step)

    def histograms(self, step: int, latent: Tensor) -> None:
        """Of all latents, and of their lengths."""
        self.writer.add_histogram("latent/values", latent.flatten(), step)
        self.writer.add_histogram("latent/lengths", latent.norm(dim=1), step)
