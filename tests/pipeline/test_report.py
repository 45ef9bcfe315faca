"""The report: metrics, curves and objects on one page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from gonkit.pipeline import Section, write_report
from gonkit.recipe import read_recipe
from gonkit.run import main
from tests.conftest import CLASSIFY

Write = Callable[..., Path]
Trained = Callable[[str], Path]


def sources(report: str) -> set[str]:
    """Relative addresses of pictures and links."""
    found = set(re.findall(r"""(?:src|href)=["']([^"']+)["']""", report))
    return {source for source in found if not source.startswith(("data:", "#"))}


def test_a_report_shows_files_that_exist(trained: Trained) -> None:
    for kind in ("plain", "classifier", "conditional", "translation", "variational"):
        report = (trained(kind) / "report.html").read_text()
        assert sources(report)
        for source in sources(report):
            assert (trained(kind) / source).is_file(), source


def test_each_kind_of_model_has_its_own_sections(trained: Trained) -> None:
    pictures = {
        "plain": {"reconstructions", "samples", "interpolations"},
        "classifier": {"confusion"},
        "conditional": {"sources", "reconstructions"},
        "translation": {"sources", "reconstructions", "samples", "interpolations"},
        "variational": {"reconstructions", "samples", "interpolations"},
    }
    for kind, expected in pictures.items():
        report = (trained(kind) / "report.html").read_text()
        shown = {Path(source).stem for source in re.findall(r"<img src='samples/([^']+)'", report)}
        assert shown == expected, kind
    report = (trained("classifier") / "report.html").read_text()
    assert "validation/accuracy" in report
    assert "True labels in rows, predicted labels in columns" in report


def test_two_latent_dimensions_are_drawn_as_a_plane(recipe: Write, tmp_path: Path) -> None:
    path = recipe(("dim = 6", "dim = 2"), *CLASSIFY[1:])
    assert main([str(path), "--out", str(tmp_path / "run"), "--quiet", "--set", "train.steps=5"]) == 0
    assert (tmp_path / "run" / "samples" / "plane.png").is_file()
    assert "samples/plane.png" in (tmp_path / "run" / "report.html").read_text()


def test_metrics_stand_beside_those_of_the_baselines_and_text_is_escaped(recipe: Write, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "grid.png")
    section = Section("Reals & <fakes>", tmp_path / "grid.png", [["share", "dB"], ["0.5", "12"]])
    section.objects.append(("<b>shown</b>", "nearest: a<b.png"))
    metrics = {"psnr": 20.5, "pca_psnr": 17.25, "class_mean_psnr": 9.0, "seconds": 3.0}
    baselines = ("pca", "class_mean", "linear")
    write_report(tmp_path, read_recipe(recipe()), metrics, [section], ["1 < 2"], baselines)
    report = (tmp_path / "report.html").read_text()
    assert "<th>test signals</th><th>gonkit</th><th>PCA, as many latents</th><th>class mean</th></tr>" in report
    assert "<td>psnr</td><td>20.5</td><td>17.25</td><td>9</td></tr>" in report
    assert "<h2>Reals &amp; &lt;fakes&gt;</h2>" in report
    assert "<tr><th>share</th><th>dB</th></tr><tr><td>0.5</td><td>12</td></tr>" in report
    assert "<b>shown</b><figcaption>nearest: a&lt;b.png</figcaption>" in report
    assert "<p>1 &lt; 2</p>" in report
    assert "Training</h2>" not in report  # there are no curves
