"""Sheets: pictures in rows and columns, each with a caption."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .files import replaced_when_whole

INK = (32, 33, 36)
PAPER = (255, 255, 255)

WIDTH = 1180  # of a sheet, about, pixels
SIDES = (128, 240)  # the smallest and the largest that a picture becomes
MARGIN = 24
GAP = 8
FRAME = 4
HEADING_SIZE = 20
TITLE_SIZE = 16
CAPTION_SIZE = 14

Color = tuple[int, int, int]


class Tile(NamedTuple):
    """A picture on a sheet.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        caption: Stands below it; what is too long is cut.
        frame: Colour around it, if any.
    """

    picture: np.ndarray
    caption: str = ''
    frame: Color | None = None


Row = Sequence[Tile | None]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_sheet(
    heading: str, rows: Sequence[Row], out_path: str | Path, titles: Sequence[str] = ()
) -> None:
    """Draws one PNG: rows of tiles in columns; None leaves a place empty.

    Args:
        heading: A line above; broken where it is wider than the sheet.
        rows: Each a sequence of tiles.
        out_path: PNG file to write.
        titles: A line above each row, if any.

    Raises:
        ValueError: There is no tile, or a picture is no uint8 RGB.
    """
    if not any(tile for row in rows for tile in row):
        raise ValueError('there is no picture to draw')
    columns = max(map(len, rows))
    side = min(max(WIDTH // columns, SIDES[0]), SIDES[1])
    drawn = [[None if tile is None else _draw_tile(tile, side) for tile in row] for row in rows]
    widths = [
        max((tile.width for row in drawn for tile in row[i : i + 1] if tile), default=0)
        for i in range(columns)
    ]
    heights = [max((tile.height for tile in row if tile), default=0) for row in drawn]
    font = ImageFont.load_default(HEADING_SIZE)
    width = 2 * MARGIN + sum(widths) + GAP * (columns - 1)
    width = max(width, 2 * MARGIN + 2 * side)
    lines = break_lines(heading, font, width - 2 * MARGIN)
    top = MARGIN + len(lines) * (HEADING_SIZE + GAP) + GAP
    title_height = TITLE_SIZE + GAP if titles else 0
    height = top + sum(heights) + (GAP + title_height) * len(rows) - GAP + MARGIN
    sheet = Image.new('RGB', (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((MARGIN, MARGIN), '\n'.join(lines), INK, font, spacing=GAP)
    for i, (row, row_height) in enumerate(zip(drawn, heights, strict=True)):
        if titles:
            draw.text((MARGIN, top), titles[i], INK, ImageFont.load_default(TITLE_SIZE))
            top += title_height
        left = MARGIN
        for tile, column in zip(row, widths, strict=False):
            if tile:
                sheet.paste(tile, (left, top))
            left += column + GAP
        top += row_height + GAP
    save_png(sheet, out_path)


def save_png(picture: Image.Image, out_path: str | Path) -> None:
    """Writes a PNG; whole, or not at all."""
    with replaced_when_whole(out_path) as file:
        picture.save(file, format='PNG')


def scaled(picture: np.ndarray, longest: int) -> Image.Image:
    """An image whose longest side is so long; enlarged pixels stay visible as such.

    Raises:
        ValueError: The array is no uint8 RGB.
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(
            f'a picture is an array of {picture.dtype} and shape {picture.shape}: '
            'expected uint8 and (height, width, 3), RGB'
        )
    factor = longest / max(picture.shape[:2])
    height, width = (max(1, round(length * factor)) for length in picture.shape[:2])
    resampling = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    return Image.fromarray(picture).resize((width, height), resampling)


def break_lines(text: str, font: Font, width: float) -> list[str]:
    """The words of a text in lines of at most so many pixels."""
    lines = ['']
    for word in text.split():
        longer = f'{lines[-1]} {word}'.strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def fit_text(text: str, font: Font, width: float) -> str:
    """The text, its end replaced by dots where it is wider than so many pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + '…') > width:
        text = text[:-1]
    return text + '…'


def _draw_tile(tile: Tile, side: int) -> Image.Image:
    picture = scaled(tile.picture, side)
    border = FRAME if tile.frame else 0
    width, height = picture.width + 2 * border, picture.height + 2 * border
    caption_height = CAPTION_SIZE + GAP if tile.caption else 0
    whole_width = max(width, side) if tile.caption else width
    drawn = Image.new('RGB', (whole_width, height + caption_height), PAPER)
    if tile.frame:
        drawn.paste(tile.frame, (0, 0, width, height))
    drawn.paste(picture, (border, border))
    font = ImageFont.load_default(CAPTION_SIZE)
    text = fit_text(tile.caption, font, drawn.width)
    ImageDraw.Draw(drawn).text((0, height + 3), text, INK, font)
    return drawn
