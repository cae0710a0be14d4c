"""A sheet of photographs with the boxes of their views, beside the views themselves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .files import replaced_when_whole

GLOBAL_COLOR = (217, 83, 25)
LOCAL_COLOR = (0, 102, 204)
INK = (32, 33, 36)
PAPER = (255, 255, 255)

PHOTOGRAPH = 420  # longest side of a photograph on the sheet, pixels
GLOBAL_VIEW = 200  # longest side of a global view
LOCAL_VIEW = 96
VIEWS_WIDTH = 664
MARGIN = 24
GAP = 10
LINE = 3
FONT_SIZE = 20
LABEL_SIZE = 16

Box = Sequence[float]
Color = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]


def crop_sheet(
    images: Sequence[np.ndarray],
    views: Sequence[Sequence[np.ndarray]],
    boxes: Sequence[Sequence[Box]],
    flips: Sequence[Sequence[bool]],
    out_path: str | Path,
) -> None:
    """Draws one PNG: a row for each photograph, with its boxes, and its views as the network's.

    The views of the largest size are the global ones; they and the local ones are numbered, from
    1, in the colours of their boxes. A mirrored view is marked.

    Args:
        images: Photographs, (H, W, 3) uint8 RGB.
        views: For each photograph its views, (h, w, 3) uint8 RGB.
        boxes: For each view what it was cut from: y, x, height, width in pixels.
        flips: For each view whether it was mirrored left to right.
        out_path: PNG file to write.

    Raises:
        ValueError: Numbers of photographs, views, boxes and flips do not fit, or an array is not
            uint8 RGB.
    """
    if not images or not len(images) == len(views) == len(boxes) == len(flips):
        raise ValueError(
            f'crop_sheet got {len(images)} images, and views, boxes and flips of {len(views)}, '
            f'{len(boxes)} and {len(flips)}: expected one list of each for every image'
        )
    rows = [_row(*row) for row in zip(images, views, boxes, flips, strict=True)]
    width = PHOTOGRAPH + VIEWS_WIDTH + 3 * MARGIN
    heading = FONT_SIZE + 2 * MARGIN
    sheet = Image.new('RGB', (width, heading + sum(row.height + MARGIN for row in rows)), PAPER)
    _draw_heading(ImageDraw.Draw(sheet))
    top = heading
    for row in rows:
        sheet.paste(row, (MARGIN, top))
        top += row.height + MARGIN
    with replaced_when_whole(out_path) as file:
        sheet.save(file, format='PNG')


def _draw_heading(draw: ImageDraw.ImageDraw) -> None:
    font = ImageFont.load_default(FONT_SIZE)
    draw.text((MARGIN, MARGIN), 'Photograph and boxes', INK, font)
    left = float(2 * MARGIN + PHOTOGRAPH)
    for text, color in (
        ('Views as the network gets them:', INK),
        ('global', GLOBAL_COLOR),
        ('local', LOCAL_COLOR),
    ):
        draw.text((left, MARGIN), text, color, font)
        left += draw.textlength(text + '  ', font)


def _row(
    image: np.ndarray, views: Sequence[np.ndarray], boxes: Sequence[Box], flips: Sequence[bool]
) -> Image.Image:
    if not views or not len(views) == len(boxes) == len(flips):
        raise ValueError(
            f'crop_sheet got {len(views)} views, {len(boxes)} boxes and {len(flips)} flips of one '
            'image: expected a box and a flip for every view'
        )
    pictures = [_picture(view) for view in views]
    largest = max(picture.size for picture in pictures)
    colors = [GLOBAL_COLOR if p.size == largest else LOCAL_COLOR for p in pictures]
    photograph = _photograph(_picture(image), boxes, colors)
    grid = _grid(pictures, colors, flips)
    size = (PHOTOGRAPH + MARGIN + VIEWS_WIDTH, max(photograph.height, grid.height))
    row = Image.new('RGB', size, PAPER)
    row.paste(photograph, (0, 0))
    row.paste(grid, (PHOTOGRAPH + MARGIN, 0))
    return row


def _picture(array: np.ndarray) -> Image.Image:
    array = np.asarray(array)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(
            f'crop_sheet got an array of {array.dtype} and shape {array.shape}: '
            'expected uint8 and (height, width, 3), RGB'
        )
    return Image.fromarray(array)


def _scaled(picture: Image.Image, longest: int) -> Image.Image:
    """Resized to its longest side; enlarged pixels stay visible as such."""
    factor = longest / max(picture.size)
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize(
        (width, height), Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    )


def _photograph(picture: Image.Image, boxes: Sequence[Box], colors: Sequence[Color]) -> Image.Image:
    factor = PHOTOGRAPH / max(picture.size)
    picture = _scaled(picture, PHOTOGRAPH)
    draw = ImageDraw.Draw(picture)
    corners = [
        [round(side * factor) for side in (x, y, x + width, y + height)]
        for y, x, height, width in boxes
    ]
    for (left, top, right, bottom), color in zip(corners, colors, strict=True):
        outline = (left, top, max(left, right - 1), max(top, bottom - 1))
        draw.rectangle(outline, outline=PAPER, width=LINE + 2)
        draw.rectangle(outline, outline=color, width=LINE)
    taken: list[Rectangle] = []
    for number, ((left, top, *_), color) in enumerate(zip(corners, colors, strict=True), 1):
        left = min(left, picture.width - 2 * LABEL_SIZE)
        taken.append(_draw_number(draw, left, top, str(number), color, taken))
    return picture


def _draw_number(
    draw: ImageDraw.ImageDraw, left: int, top: int, text: str, color: Color, taken: list[Rectangle]
) -> Rectangle:
    """Draws a number at a corner, or right of the numbers that stand there; returns its place."""
    font = ImageFont.load_default(LABEL_SIZE)
    width = round(draw.textlength(text, font)) + 12
    height = LABEL_SIZE + 6
    while any(abs(left - x) < width and abs(top - y) < height for x, y, _, _ in taken):
        left += width
    place = (left, top, left + width, top + height)
    draw.rectangle(place, fill=color)
    draw.text((left + width / 2, top + height / 2), text, PAPER, font, anchor='mm')
    return place


def _grid(
    views: Sequence[Image.Image], colors: Sequence[Color], flips: Sequence[bool]
) -> Image.Image:
    """Views from left to right in lines; a change of size starts a new line."""
    tiles = [
        _tile(view, color, f'{number} mirrored' if flip else str(number))
        for number, (view, color, flip) in enumerate(zip(views, colors, flips, strict=True), 1)
    ]
    places = []
    left = top = line_height = 0
    for tile in tiles:
        if left and (left + tile.width > VIEWS_WIDTH or tile.height != line_height):
            left, top = 0, top + line_height + GAP
        places.append((left, top))
        left, line_height = left + tile.width + GAP, tile.height
    grid = Image.new('RGB', (VIEWS_WIDTH, top + line_height), PAPER)
    for tile, place in zip(tiles, places, strict=True):
        grid.paste(tile, place)
    return grid


def _tile(view: Image.Image, color: Color, caption: str) -> Image.Image:
    """A view in a frame of its colour, with a caption below."""
    view = _scaled(view, GLOBAL_VIEW if color == GLOBAL_COLOR else LOCAL_VIEW)
    framed = (view.width + 2 * LINE, view.height + 2 * LINE)
    tile = Image.new('RGB', (framed[0], framed[1] + LABEL_SIZE + 6), PAPER)
    tile.paste(color, (0, 0, *framed))
    tile.paste(view, (LINE, LINE))
    font = ImageFont.load_default(LABEL_SIZE)
    ImageDraw.Draw(tile).text((0, framed[1] + 4), caption, color, font)
    return tile
