"""Shaded pictures of surfaces."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from signals.shape import extract_surface, render_preview
from tests.signals.shape.conftest import wavy_ball


def test_a_preview_shows_the_shape_and_its_shading() -> None:
    picture = numpy.asarray(render_preview(extract_surface(wavy_ball, 48), 120)).astype(float)
    covered = (picture < 255).mean()
    assert covered == pytest.approx(math.pi * 0.6**2 / 9, rel=0.1)
    assert picture[45:60, 60:75].mean() > picture[60:75, 45:60].mean()  # lit from above and the right


def test_a_preview_without_a_surface_is_white() -> None:
    picture = render_preview(extract_surface(lambda points: torch.full((len(points),), -1.0), 16))
    assert picture.size == (96, 96)
    assert picture.getextrema() == (255, 255)
