"""Histograms and curves."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import numpy
import pytest
import torch

from gonkit.plotting import curves_svg, draw_curve, draw_histogram
from gonkit.plotting.canvas import COLORS, plain
from gonkit.plotting.charts import BAR_COLOR, LINE_COLOR
from tests.plotting.pixels import has_color

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"


def sides(values: torch.Tensor) -> tuple[int, int]:
    """Number of pixels of a histogram's bars to the left and to the right of the mean."""
    picture = draw_histogram(values, "title")
    assert picture.size == (640, 360)
    columns = has_color(picture, LINE_COLOR).any(0).nonzero()[0]  # the normal spans the axis, about its mean
    bars = has_color(picture, BAR_COLOR)
    bars[:70] = False  # the legend
    middle = (columns.min() + columns.max()) // 2
    return int(bars[:, :middle].sum()), int(bars[:, middle:].sum())


def test_a_histogram_of_normal_values_is_even_about_the_mean() -> None:
    values = 100 + 5 * torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    left, right = sides(values.view(100, 200))
    assert left + right > 5000
    assert left / (left + right) == pytest.approx(0.5, abs=0.03)


def test_bars_have_the_share_of_their_values() -> None:
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    left, right = sides(-uniform.log())  # exponential, of mean 1
    assert left / (left + right) == pytest.approx(1 - math.exp(-1), abs=0.05)


@pytest.mark.parametrize("values", [torch.zeros(50), torch.full((50,), 1e6), torch.tensor([3.0])])
def test_values_that_do_not_vary_are_drawn_too(values: torch.Tensor) -> None:
    assert has_color(draw_histogram(values, "title"), BAR_COLOR).sum() > 100


def test_a_curve_goes_through_its_points() -> None:
    picture = draw_curve([(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)], "title", "x", "y")
    assert picture.size == (640, 360)
    rows, columns = has_color(picture, COLORS[0]).nonzero()
    peak = columns[rows == rows.min()].mean()
    assert peak == pytest.approx((columns.min() + columns.max()) / 2, abs=3)
    ends = [rows[columns == end].mean() for end in (columns.min(), columns.max())]
    lowest, highest = rows.max(), rows.min()
    assert ends[0] == pytest.approx(lowest, abs=3)
    assert ends[1] == pytest.approx((lowest + highest) / 2, abs=3)


CURVES = {"train": [(0.0, 0.0), (1.0, 1.0), (2.0, 4.0)], "validation": [(0.0, 3.0), (2.0, 2.0)]}


def parsed(svg: str) -> ElementTree.Element:
    """The element of a page; raises unless it is well-formed."""
    assert svg.startswith("<svg")
    return ElementTree.fromstring(svg)


def line(root: ElementTree.Element, color: str) -> numpy.ndarray:
    """Points (N, 2) of the curve of a color, y downwards."""
    paths = [path for path in root.iter(f"{SVG}path") if color in path.get("style", "") and path.get("clip-path")]
    (path,) = paths
    return numpy.array([float(number) for number in re.findall(r"[-\d.]+", path.get("d", ""))]).reshape(-1, 2)


def test_curves_lie_at_their_values() -> None:
    root = parsed(curves_svg(CURVES, "Loss", "loss"))
    train, validation = line(root, COLORS[0]), line(root, COLORS[1])
    steps = numpy.diff(train, axis=0)
    assert steps[0, 0] == pytest.approx(steps[1, 0], rel=1e-3)
    assert steps[1, 1] == pytest.approx(3 * steps[0, 1], rel=1e-3)
    assert steps[0, 1] < 0  # upwards
    assert validation[:, 0].tolist() == pytest.approx(train[[0, 2], 0].tolist(), rel=1e-3)
    assert validation[0, 1] == pytest.approx(train[0, 1] + 3 * steps[0, 1], rel=1e-3)


def test_a_chart_is_the_same_for_the_same_input_in_any_thread() -> None:
    once = curves_svg(CURVES, "Loss", "loss")
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: curves_svg(CURVES, "Loss", "loss"), range(8)))
    assert set(again) == {once}
    assert not re.search(r"\d{4}-\d\d-\d\dT", once)  # no date
    assert curves_svg(CURVES, "Loss", "error") != once


def test_ids_of_a_chart_are_its_own_and_its_references_resolve() -> None:
    charts = [curves_svg(CURVES, "Loss", "loss"), curves_svg(CURVES, "PSNR", "dB"), curves_svg({}, "Loss", "loss")]
    seen: set[str] = set()
    for svg in charts:
        root = parsed(svg)
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(set(ids)) == len(ids)
        assert not seen & set(ids)
        seen |= {one for one in ids if one}
        references = re.findall(r"url\(#([^)]+)\)", svg)
        references += [element.get(HREF, "#")[1:] for element in root.iter() if element.get(HREF)]
        assert set(references) <= set(ids)
        assert not list(root.iter(f"{SVG}style"))  # would apply to the whole page


def test_texts_are_shown_as_they_are() -> None:
    names = {"<b> & $x_1$": [(0.0, 1.0), (1.0, 2.0)], "_hidden": [(0.0, 2.0), (1.0, 1.0)]}
    root = parsed(curves_svg(names, "R² > 0 & $5", "a < b", "steps"))
    texts = {"".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")}
    assert {*names, "R² > 0 & $5", "a < b", "steps"} <= texts


def test_a_curve_of_one_point_is_a_dot_and_colors_repeat_after_the_last() -> None:
    svg = curves_svg({"one": [(3.0, 1.0)]}, "Loss", "loss")
    assert f"{SVG}use" in {element.tag for element in parsed(svg).iter() if COLORS[0] in element.get("style", "")}
    many = {str(index): [(0.0, index), (1.0, index)] for index in range(len(COLORS) + 1)}
    root = parsed(curves_svg(many, "Loss", "loss"))
    paths = [path for path in root.iter(f"{SVG}path") if path.get("clip-path")]
    assert sum(COLORS[0] in path.get("style", "") for path in paths) == 2


def test_plain_text_has_no_formulas_and_stays_in_legends() -> None:
    assert plain("a $x$") == r"a \$x\$"
    assert plain("_name") == " _name"
