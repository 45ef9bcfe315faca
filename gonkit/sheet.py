"""Contact sheets: rows of pictures on one."""

from __future__ import annotations

__all__ = ["contact_sheet"]

from collections.abc import Sequence

from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

INK, PAPER = "#222222", "#ffffff"


def contact_sheet(
    rows: Sequence[Sequence[pillow.Image]], titles: Sequence[str] | None = None, *, cell: int = 64, gap: int = 4
) -> pillow.Image:
    """Pictures in rows, small ones enlarged by whole factors so that their points stay sharp.

    Args:
        rows: pictures of one size.
        titles: one per row, written to its left.
        cell: least width of a picture on the sheet, in pixels.
        gap: between pictures, in pixels.
    """
    width, height = rows[0][0].size
    factor = max(1, -(-cell // width))
    width, height = width * factor, height * factor
    font = ImageFont.load_default(14)
    margin = max((int(font.getlength(title)) + 3 * gap for title in titles), default=0) if titles else 0
    columns = max(len(row) for row in rows)
    size = (margin + columns * (width + gap) + gap, len(rows) * (height + gap) + gap)
    sheet = pillow.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for r, row in enumerate(rows):
        top = gap + r * (height + gap)
        if titles:
            draw.text((2 * gap, top + height / 2), titles[r], INK, font, anchor="lm")
        for c, picture in enumerate(row):
            large = picture.convert("RGB").resize((width, height), pillow.Resampling.NEAREST)
            sheet.paste(large, (margin + gap + c * (width + gap), top))
    return sheet
