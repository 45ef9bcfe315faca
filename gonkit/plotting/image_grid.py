"""Rows of pictures as one picture."""

from __future__ import annotations

__all__ = ["image_grid"]

from collections.abc import Sequence

from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

TEXT_COLOR, BACKGROUND = "#222222", "#ffffff"
FONT_SIZE = 14  # pixels


def image_grid(
    rows: Sequence[Sequence[pillow.Image]], titles: Sequence[str] | None = None, *, cell: int = 64, gap: int = 4
) -> pillow.Image:
    """Pictures in rows; small ones are enlarged by a whole factor, so that their pixels stay sharp.

    Args:
        rows: pictures of one size.
        titles: one per row, written to its left.
        cell: smallest width of a picture in the grid, in pixels.
        gap: between pictures, in pixels.

    Example:
        >>> image_grid([[pillow.new("RGB", (10, 20))] * 3]).size
        (226, 148)
    """
    width, height = rows[0][0].size
    factor = max(1, -(-cell // width))
    width, height = width * factor, height * factor
    font = ImageFont.load_default(FONT_SIZE)
    margin = max((int(font.getlength(title)) + 3 * gap for title in titles), default=0) if titles else 0
    columns = max(len(row) for row in rows)
    size = (margin + columns * (width + gap) + gap, len(rows) * (height + gap) + gap)
    grid = pillow.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(grid)
    for r, row in enumerate(rows):
        top = gap + r * (height + gap)
        if titles:
            draw.text((2 * gap, top + height / 2), titles[r], TEXT_COLOR, font, anchor="lm")
        for c, picture in enumerate(row):
            enlarged = picture.convert("RGB").resize((width, height), pillow.Resampling.NEAREST)
            grid.paste(enlarged, (margin + gap + c * (width + gap), top))
    return grid
