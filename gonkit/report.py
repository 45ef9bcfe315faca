"""report.html: a run's numbers, curves and objects on one page that needs nothing but its folder."""

from __future__ import annotations

__all__ = ["Section", "write_report"]

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gonkit.checkpoint import write_atomically
from gonkit.recipe import Recipe
from gonkit.tracking import read_metrics

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } td, th { padding: .2rem 1rem .2rem 0; text-align: right }
td:first-child, th:first-child { text-align: left } th { border-bottom: 1px solid #888 }
img { max-width: 100%; image-rendering: pixelated }
.files { display: flex; flex-wrap: wrap; gap: .5rem }
.files figure { margin: 0; width: 9rem; font-size: .75rem; overflow-wrap: anywhere } .files img { height: 4rem }
.files figure > * { max-width: 100% }
svg { width: 100%; height: auto } pre { background: #f4f4f4; padding: 1rem; overflow: auto }
"""
CURVES = {
    "PSNR, dB": ("train/psnr", "validation/psnr"),
    "Accuracy": ("train/accuracy", "validation/accuracy"),
    "Loss": ("train/loss",),
    "Held-out latents: standard deviations from as many normal ones": ("latent/normality",),
    "Inner loss of held-out signals": ("latent/loss_at_origin", "latent/loss_at_latent"),
}
COLORS = ("#1f6fb4", "#d1601f")


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: over it.
        sheet: a picture of everything.
        table: rows of text, the first of them the heads of columns.
        files: single objects with what to say of each, shown as the signal type shows them.
    """

    title: str
    sheet: Path | None = None
    table: Sequence[Sequence[str]] = ()
    files: list[tuple[Path, str]] = field(default_factory=list)

    def add(self, paths: Sequence[Path | None], captions: Sequence[str]) -> None:
        """More files; those that were not written are None."""
        self.files.extend((p, text) for p, text in zip(paths, captions, strict=True) if p is not None)


def write_report(
    folder: Path,
    recipe: Recipe,
    evaluation: Mapping[str, float],
    sections: Sequence[Section],
    notes: Sequence[str] = (),
    baselines: Sequence[str] = ("pca",),
) -> Path:
    """Writes the page.

    Args:
        folder: of the run.
        recipe: what was trained.
        evaluation: figures on the test signals; those of a baseline begin with its name and `_`.
        sections: objects to show.
        notes: what else a reader must know.
        baselines: names of what gonkit is held against.
    """
    name = html.escape(recipe.name)
    parts = [f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{name}</title><style>{STYLE}</style>"]
    parts += [f"<h1>{name}</h1>", _figures(evaluation, ["informed", *baselines])]
    parts += [f"<p>{html.escape(note)}</p>" for note in notes]
    for section in sections:
        title = html.escape(section.title)
        parts.append(f"<h2>{title}</h2>")
        if section.sheet is not None:
            source = html.escape(section.sheet.relative_to(folder).as_posix())
            parts.append(f"<img src='{source}' alt='{title}'>")
        parts.append(_table(section.table) + "<div class='files'>")
        for path, said in section.files:
            shown = recipe.signal.html(path.relative_to(folder).as_posix())
            parts.append(f"<figure>{shown}<figcaption>{html.escape(said)}</figcaption></figure>")
        parts.append("</div>")
    lines = read_metrics(folder)
    for title, names in CURVES.items():
        curves = {n: [(line["step"], line[n]) for line in lines if n in line] for n in names}
        curves = {n: c for n, c in curves.items() if c}
        if curves:
            parts.append(f"<h2>{html.escape(title)}</h2>{_plot({n: c for n, c in curves.items() if len(c) > 1})}")
    parts.append(f"<h2>Recipe</h2><pre>{html.escape(recipe.toml())}</pre></html>")
    path = folder / "report.html"
    write_atomically(path, "\n".join(parts).encode())
    return path


def _figures(evaluation: Mapping[str, float], others: Sequence[str]) -> str:
    """Figures as a table, with a column for each of the others that has any."""
    columns = {
        name: {k.removeprefix(f"{name}_"): v for k, v in evaluation.items() if k.startswith(f"{name}_")}
        for name in others
    }
    columns = {name: figures for name, figures in columns.items() if figures}
    own = {k: v for k, v in evaluation.items() if not k.startswith(tuple(f"{name}_" for name in columns))}
    heads = ["PCA, as many latents" if name == "pca" else name.replace("_", " ") for name in columns]
    rows = [
        [key, f"{value:.5g}", *(f"{figures[key]:.5g}" if key in figures else "" for figures in columns.values())]
        for key, value in own.items()
    ]
    return _table([["test signals", "gonkit", *heads], *rows])


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as a table, the first of them its head."""
    if not rows:
        return ""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(rows[0], 'th')}{''.join(line(row, 'td') for row in rows[1:])}</table>"


def _plot(curves: Mapping[str, Sequence[tuple[int, float]]], width: int = 800, height: int = 220) -> str:
    """Curves over steps as a drawing of lines, with the ends of both axes written."""
    if not curves:
        return "<p>too few points for a curve</p>"
    steps = [step for curve in curves.values() for step, _ in curve]
    values = [value for curve in curves.values() for _, value in curve]
    left, right, low, high = min(steps), max(steps), min(values), max(values)
    span_x, span_y = (right - left) or 1, (high - low) or 1.0
    box, top, base = 80, 30, height - 24  # the plot's left, upper and lower edges

    def place(step: int, value: float) -> str:
        x = box + (step - left) / span_x * (width - box - 10)
        y = base - (value - low) / span_y * (base - top)
        return f"{x:.1f},{y:.1f}"

    drawn = [f"<svg viewBox='0 0 {width} {height}' font-size='12' fill='#222'>"]
    drawn.append(f"<path d='M{box} {top}V{base}H{width - 10}' fill='none' stroke='#888'/>")
    for text, x, y, anchor in (
        (f"{high:.4g}", box - 6, top + 10, "end"),
        (f"{low:.4g}", box - 6, base, "end"),
        (f"step {left}", box, height - 6, "start"),
        (f"{right}", width - 10, height - 6, "end"),
    ):
        drawn.append(f"<text x='{x}' y='{y}' text-anchor='{anchor}'>{text}</text>")
    for index, ((name, curve), color) in enumerate(zip(curves.items(), COLORS, strict=False)):
        points = " ".join(place(step, value) for step, value in curve)
        drawn.append(f"<polyline points='{points}' fill='none' stroke='{color}' stroke-width='1.5'/>")
        drawn.append(f"<text x='{box + 200 * index}' y='16' fill='{color}'>{html.escape(name)}</text>")
    return "".join(drawn) + "</svg>"
