"""Arrays as pictures."""

from __future__ import annotations

import numpy
import pytest
from matplotlib import colormaps

from gonkit.errors import GonkitError
from gonkit.plotting import apply_colormap, heat_map


def viridis(share: float) -> tuple[int, ...]:
    return tuple(int(part) for part in colormaps["viridis"](float(share), bytes=True)[:3])


def test_a_plane_has_one_pixel_per_value_with_the_first_row_on_top() -> None:
    plane = numpy.array([[0.0, 0.25, 0.5], [0.75, 1.0, 0.1]])[..., None]
    picture = heat_map(plane, (0.0, 1.0))
    assert (picture.size, picture.mode) == ((3, 2), "RGB")
    for row, column in numpy.ndindex(2, 3):
        assert picture.getpixel((column, row)) == viridis(plane[row, column, 0])


def test_values_are_scaled_to_the_range_and_clipped() -> None:
    picture = heat_map(numpy.array([[-3.0, -1.0, 1.0, 3.0, 99.0]])[..., None], (-1.0, 3.0))
    assert [picture.getpixel((x, 0)) for x in range(5)] == [viridis(share) for share in (0, 0, 0.5, 1, 1)]
    assert heat_map(numpy.ones((2, 2, 1)), (1.0, 1.0)).getpixel((0, 0)) == viridis(0)  # a range of nothing


def test_three_channels_are_red_green_and_blue_and_of_others_the_first_is_shown() -> None:
    colors = numpy.array([[[1.0, 0.0, -1.0], [0.0, 2.0, -2.0]]])
    picture = heat_map(colors, (-1.0, 1.0))
    assert [picture.getpixel((x, 0)) for x in range(2)] == [(255, 128, 0), (128, 255, 0)]
    two = numpy.array([[[0.5, 9.0], [1.0, 9.0]]])
    assert [heat_map(two, (0.0, 1.0)).getpixel((x, 0)) for x in range(2)] == [viridis(0.5), viridis(1)]


def test_missing_values_are_light_gray() -> None:
    plane = numpy.array([[[numpy.nan], [0.0]]])
    picture = heat_map(plane, (0.0, 1.0))
    assert [picture.getpixel((x, 0)) for x in range(2)] == [(211, 211, 211), viridis(0)]
    colors = numpy.array([[[1.0, numpy.nan, 0.0], [1.0, 1.0, 1.0]]])
    assert heat_map(colors, (0.0, 1.0)).getpixel((0, 0)) == (211, 211, 211)


def test_a_row_is_repeated_to_a_strip() -> None:
    row = numpy.linspace(0, 1, 100)[:, None]
    picture = heat_map(row, (0.0, 1.0))
    assert picture.size == (100, 12)
    for x in (0, 50, 99):
        assert {picture.getpixel((x, y)) for y in range(12)} == {viridis(row[x, 0])}
    assert heat_map(row[:10], (0.0, 1.0)).size == (10, 8)


def test_of_a_volume_the_middle_slice_is_shown() -> None:
    volume = numpy.zeros((5, 4, 6, 1))
    volume[2] = numpy.linspace(0, 1, 24).reshape(4, 6, 1)
    assert heat_map(volume, (0.0, 1.0)).tobytes() == heat_map(volume[2], (0.0, 1.0)).tobytes()
    assert heat_map(volume[None], (0.0, 1.0)).size == (6, 4)


def test_long_axes_are_averaged_down() -> None:
    checkered = (numpy.indices((40, 1024)).sum(0) % 2)[..., None].repeat(3, -1)
    picture = heat_map(checkered, (0.0, 1.0))
    assert picture.size == (512, 40)
    assert set(picture.getcolors()) == {(512 * 40, (128, 128, 128))}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32"])
def test_any_numbers_are_drawn(dtype: str) -> None:
    picture = heat_map(numpy.array([[[0], [1]]], dtype=dtype), (0.0, 1.0))
    assert [picture.getpixel((x, 0)) for x in range(2)] == [viridis(0), viridis(1)]


@pytest.mark.parametrize(
    "array", [numpy.zeros(3), numpy.zeros((0, 4, 1)), numpy.array([["a"]]), numpy.zeros((2, 2), dtype=complex)]
)
def test_what_is_no_array_of_numbers_is_refused(array: numpy.ndarray) -> None:
    with pytest.raises(GonkitError, match=r"a heat map needs numbers .* got .* need a `preview` of their own"):
        heat_map(array, (0.0, 1.0))


def test_a_color_map_covers_zero_to_one() -> None:
    shade = numpy.array([[0.0, 0.5, 1.0]])
    picture = apply_colormap(shade, "gray")
    assert (picture.mode, picture.size) == ("RGB", (3, 1))
    assert [picture.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]
    assert apply_colormap(shade).getpixel((0, 0)) == (0, 0, 3)
