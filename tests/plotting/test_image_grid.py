"""Rows of pictures as one picture."""

from __future__ import annotations

import numpy
from PIL import Image as pillow

from gonkit.plotting import image_grid

WHITE = (255, 255, 255)


def plain_picture(color: tuple[int, int, int], size: tuple[int, int] = (10, 20)) -> pillow.Image:
    return pillow.new("RGB", size, color)


def test_pictures_lie_in_their_rows_and_columns() -> None:
    colors = [[(r * 60, c * 50, 99) for c in range(3)] for r in range(2)]
    grid = image_grid([[plain_picture(color) for color in row] for row in colors], cell=20, gap=5)
    width, height = 20, 40  # enlarged twice
    assert grid.size == (3 * (width + 5) + 5, 2 * (height + 5) + 5)
    for r, row in enumerate(colors):
        for c, color in enumerate(row):
            left, top = 5 + c * (width + 5), 5 + r * (height + 5)
            corners = [(left, top), (left + width - 1, top + height - 1)]
            assert [grid.getpixel(corner) for corner in corners] == [color, color]
            assert grid.getpixel((left - 1, top)) == grid.getpixel((left, top - 1)) == WHITE


def test_small_pictures_are_enlarged_by_a_whole_factor_with_sharp_pixels() -> None:
    picture = pillow.fromarray(numpy.arange(18, dtype=numpy.uint8).reshape(2, 3, 3))
    grid = numpy.asarray(image_grid([[picture]], cell=10, gap=0))
    assert grid.shape == (8, 12, 3)  # four times
    assert (grid == numpy.asarray(picture).repeat(4, 0).repeat(4, 1)).all()
    large = image_grid([[plain_picture((0, 0, 0), (100, 30))]], cell=64, gap=0)
    assert large.size == (100, 30)


def test_a_title_is_written_to_the_left_of_its_row() -> None:
    rows = [[plain_picture((200, 0, 0), (64, 64))] * 2] * 2
    titled = numpy.asarray(image_grid(rows, ["one", "a longer title"]))
    plain = numpy.asarray(image_grid(rows))
    margin = titled.shape[1] - plain.shape[1]
    assert margin > 60
    assert (titled[:, margin:] == plain).all()
    dark = (titled[:, :margin] < 128).all(-1)
    (upper, lower) = (dark[half].nonzero()[1] for half in (slice(0, 70), slice(70, None)))
    assert 0 < upper.max() < lower.max() < margin


def test_rows_may_be_shorter_and_gray() -> None:
    gray = pillow.new("L", (64, 64), 77)
    grid = image_grid([[gray] * 3, [gray]])
    assert grid.getpixel((4 + 68 + 10, 10)) == (77, 77, 77)
    assert grid.getpixel((4 + 68 + 10, 4 + 68 + 10)) == WHITE
