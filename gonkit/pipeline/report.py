"""report.html: a run's metrics, curves and objects on one page."""

from __future__ import annotations

__all__ = ["Section", "write_report"]

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gonkit.files import write_bytes
from gonkit.plotting import curves_svg
from gonkit.recipe import Recipe
from gonkit.training import read_metrics

CSS = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } td, th { padding: .2rem 1rem .2rem 0; text-align: right }
td:first-child, th:first-child { text-align: left } th { border-bottom: 1px solid #888 }
img { max-width: 100% }
.files { display: flex; flex-wrap: wrap; gap: .5rem }
.files figure { margin: 0; width: 9rem; font-size: .75rem; overflow-wrap: anywhere }
.files img { height: 4rem; image-rendering: pixelated }
.files figure > * { max-width: 100% }
svg { max-width: 100%; height: auto } pre { background: #f4f4f4; padding: 1rem; overflow: auto }
"""
CURVES = {  # title, unit of the vertical axis, and names
    "Peak signal-to-noise ratio": ("PSNR, dB", ("train/psnr", "validation/psnr")),
    "Accuracy": ("share of correct labels", ("train/accuracy", "validation/accuracy")),
    "Training loss": ("loss", ("train/loss",)),
    "Distance of held-out latents from a normal distribution": ("standard deviations", ("latent/normality",)),
    "Inner loss of held-out signals": ("inner loss", ("latent/loss_at_origin", "latent/loss_at_latent")),
}


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: above it.
        image: a picture of all its objects, in the run folder.
        table: rows of text, the first of them the column heads.
        objects: HTML of single objects, each with a caption.
    """

    title: str
    image: Path | None = None
    table: Sequence[Sequence[str]] = ()
    objects: list[tuple[str, str]] = field(default_factory=list)


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
        evaluation: metrics of the test signals; those of a baseline begin with its name and `_`.
        sections: objects to show.
        notes: paragraphs for the reader.
        baselines: names of the methods that gonkit is compared with.
    """
    name = html.escape(recipe.name)
    parts = [f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{name}</title><style>{CSS}</style>"]
    parts += [f"<h1>{name}</h1>", _metrics_table(evaluation, ["informed", "unrefined", *baselines])]
    parts += [f"<p>{html.escape(note)}</p>" for note in notes]
    parts += [_section(section, folder) for section in sections]
    parts += _curves(folder)
    parts.append(f"<h2>Recipe</h2><pre>{html.escape(recipe.toml())}</pre></html>")
    path = folder / "report.html"
    write_bytes(path, "\n".join(parts).encode(errors="backslashreplace"))
    return path


def _section(section: Section, folder: Path) -> str:
    title = html.escape(section.title)
    parts = [f"<h2>{title}</h2>"]
    if section.image is not None:
        source = html.escape(section.image.relative_to(folder).as_posix())
        parts.append(f"<img src='{source}' alt='{title}'>")
    parts.append(_table(section.table) + "<div class='files'>")
    for shown, caption in section.objects:
        parts.append(f"<figure>{shown}<figcaption>{html.escape(caption)}</figcaption></figure>")
    return "\n".join([*parts, "</div>"])


def _curves(folder: Path) -> list[str]:
    lines = read_metrics(folder)
    charts = []
    for title, (unit, names) in CURVES.items():
        curves = {name: [(line["step"], line[name]) for line in lines if name in line] for name in names}
        curves = {name: curve for name, curve in curves.items() if curve}
        if curves:
            charts.append(curves_svg(curves, title, unit))
    return ["<h2>Training</h2>", *charts] if charts else []


def _metrics_table(evaluation: Mapping[str, float], others: Sequence[str]) -> str:
    """Metrics as a table, with a column for each of the other methods that has any."""
    columns = {
        name: {k.removeprefix(f"{name}_"): v for k, v in evaluation.items() if k.startswith(f"{name}_")}
        for name in others
    }
    columns = {name: metrics for name, metrics in columns.items() if metrics}
    own = {k: v for k, v in evaluation.items() if not k.startswith(tuple(f"{name}_" for name in columns))}
    heads = ["PCA, as many latents" if name == "pca" else name.replace("_", " ") for name in columns]
    rows = [
        [key, f"{value:.5g}", *(f"{metrics[key]:.5g}" if key in metrics else "" for metrics in columns.values())]
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
