"""Labels: what a model that classifies gets right, how sure it is, and where its latents lie."""

from __future__ import annotations

__all__ = ["Classified", "check_labels", "classified", "draw_confusion", "draw_plane"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy
import torch
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont
from torch import Tensor

from gonkit.gon import GON
from gonkit.sheet import INK, PAPER
from gonkit.signal import SignalError, SignalSet

BINS = 15  # of confidence, for the calibration error
AT_ONCE = 4096
COLORS = ("#1f6fb4", "#d1601f", "#2f9e44", "#c92a2a", "#7048a8", "#8a5a44", "#d6589f", "#6b6b6b", "#a3a012", "#12a5b8")


@dataclass(frozen=True)
class Classified:
    """What a model says of a set's labels.

    Attributes:
        latent: (B, K).
        chances: (B, N) probabilities.
        label: (B,) the true ones.
        classes: names of the N labels.
    """

    latent: Tensor
    chances: Tensor
    label: Tensor
    classes: tuple[str, ...]

    def figures(self) -> dict[str, float]:
        """`accuracy`; `nll`, mean −log probability of the true label in nats; `calibration`, expected error.

        The calibration error is the mean |accuracy − confidence| over 15 bins of confidence, weighted by how many
        signals fall into each: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, equation 3.
        """
        sure, said = self.chances.max(1)
        right = (said == self.label).double()
        bins = (sure * BINS).long().clamp(max=BINS - 1)
        apart = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, right - sure.double())
        true = self.chances.gather(1, self.label.unsqueeze(1)).clamp_min(1e-12)
        return {
            "accuracy": right.mean().item(),
            "nll": -true.log().mean().item(),
            "calibration": (apart.abs().sum() / len(right)).item(),
        }

    def confusion(self) -> Tensor:
        """(N, N) how often a signal of the row's label was given the column's."""
        count = len(self.classes)
        return torch.bincount(self.label * count + self.chances.argmax(1), minlength=count**2).view(count, count)


def classified(gon: GON, signals: SignalSet) -> Classified | None:
    """Every signal of a set put into a class; None for a model without a label head, or a set without labels."""
    labels = signals.labels()
    if gon.head is None or labels is None:
        return None
    parts = torch.arange(len(signals)).split(AT_ONCE)
    latent = torch.cat([gon.encode(signals.observed(part).to(gon.scale.device)) for part in parts])
    return Classified(latent.cpu(), gon.classify(latent).cpu(), labels.cpu(), signals.classes)


def check_labels(sets: Mapping[str, SignalSet]) -> None:
    """That a loss on labels has what it needs.

    Raises:
        SignalError: a set without labels, or with labels that the training set lacks.
    """
    known: set[int] = set()
    for name, signals in sets.items():
        labels = signals.labels()
        if labels is None or not signals.classes:
            raise SignalError(
                f"loss.outer: a loss on labels (cross_entropy) needs them, and the {name} signals have none; put files "
                "into a sub-folder for each class, or leave the loss out"
            )
        found = set(labels.unique().tolist())
        known = known or found
        if unseen := sorted(found - known):
            listed = ", ".join(repr(signals.classes[i]) for i in unseen[:5])
            raise SignalError(
                f"loss.outer: the {name} signals have labels that no training signal has ({listed}), so that they "
                "cannot be learned; change what signal holds out, or leave those classes out"
            )


def draw_confusion(counts: Tensor, classes: Sequence[str], cell: int = 40) -> pillow.Image:
    """A confusion matrix (N, N) as a table, true labels in rows; shaded by the share of the row."""
    font = ImageFont.load_default(12)
    names = [name if len(name) <= 16 else name[:15] + "…" for name in classes]
    margin = 12 + max(int(font.getlength(name)) for name in names)
    count = len(names)
    picture = pillow.new("RGB", (margin + count * cell + 8, margin + count * cell + 8), PAPER)
    draw = ImageDraw.Draw(picture)
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
    for row in range(count):
        draw.text((margin - 6, margin + (row + 0.5) * cell), names[row], INK, font, anchor="rm")
        strip = pillow.new("L", (margin, cell), 255)
        ImageDraw.Draw(strip).text((margin - 6, cell / 2), names[row], 34, font, anchor="rm")
        picture.paste(strip.rotate(-90, expand=True), (margin + row * cell, 0))
        for column in range(count):
            share = float(shares[row, column])
            box = [margin + column * cell, margin + row * cell]
            shade = tuple(round(255 - share * (255 - end)) for end in (31, 111, 180))
            draw.rectangle([*box, box[0] + cell - 2, box[1] + cell - 2], shade)
            if counts[row, column]:
                middle = (box[0] + cell / 2, box[1] + cell / 2)
                draw.text(middle, str(int(counts[row, column])), PAPER if share > 0.5 else INK, font, anchor="mm")
    return picture


def draw_plane(seen: Classified, head: torch.nn.Module, size: int = 560) -> pillow.Image:
    """Latents of two dimensions as points in the colors of their classes, over what the head says of the plane.

    Args:
        seen: with K = 2.
        head: f of Eq. 2.
        size: of the picture, in pixels a side; a legend stands to its right.
    """
    reach = seen.latent.abs().quantile(0.995, dim=0).clamp_min(1e-9) * 1.1
    axis = (torch.arange(size) + 0.5) * (2 / size) - 1
    up, across = torch.meshgrid(-axis, axis, indexing="ij")
    with torch.no_grad():
        said = head(torch.stack([across * reach[0], up * reach[1]], -1).to(next(head.parameters()))).argmax(-1).cpu()
    inks = numpy.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in COLORS])
    plane = 255 - (255 - inks[said.numpy() % len(COLORS)]) // 5
    picture = pillow.new("RGB", (size + 130, size), PAPER)
    picture.paste(pillow.fromarray(plane.astype(numpy.uint8)), (0, 0))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    places = (seen.latent / reach * torch.tensor([1, -1]) + 1) * (size / 2)
    for (x, y), label in zip(places.tolist(), seen.label.tolist(), strict=True):
        if 0 <= x < size and 0 <= y < size:
            draw.ellipse([x - 1.5, y - 1.5, x + 1.5, y + 1.5], COLORS[label % len(COLORS)])
    for number, name in enumerate(seen.classes):
        top = 10 + 20 * number
        draw.rectangle([size + 10, top, size + 22, top + 12], COLORS[number % len(COLORS)])
        draw.text((size + 28, top + 6), name, INK, font, anchor="lm")
    return picture
