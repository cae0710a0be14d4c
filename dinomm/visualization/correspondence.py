"""Two views side by side, with lines between the regions that are most similar."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from dinomm.datasets.samplers import SampleKey
from dinomm.datasets.transforms import LoadImage, MultiCrop
from dinomm.datasets.transforms.geometry import resized_crop
from dinomm.evaluation.correspondence import JITTER, BestPairs

from .files import replaced_when_whole

LINE_COLOR = (255, 214, 10)
VIEW_COLOR = (0, 102, 204)
INK = (32, 33, 36)
PAPER = (255, 255, 255)

SIDE = 448  # of a view on the sheet, pixels
MARGIN = 24
RADIUS = 10
LINE = 3
FONT_SIZE = 18

Point = tuple[float, float]


def two_views(
    image: str, second_image: str | None, size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Square views (size, size, 3) uint8 to compare, as in EsViT's published code.

    The first is the whole image. So is the second of a second image; without one it is cut from
    40 to 60 % of the first, mirrored in half of the cases, jittered and sometimes grey.
    """
    picture, *others = (
        LoadImage().transform({'img_path': path})['img'] for path in (image, second_image) if path
    )
    first = _whole(picture, size)
    if others:
        return first, _whole(others[0], size)
    view = {'size': size, 'scale': (0.4, 0.6), 'flip': 0.5, 'gray': 0.2, 'jitter': vars(JITTER)}
    results = {'img': picture, 'sample_key': SampleKey(seed, 0, 0)}
    return first, MultiCrop([view]).transform(results)['views'][0]


def _whole(picture: np.ndarray, size: int) -> np.ndarray:
    return resized_crop(picture, (0, 0, *picture.shape[:2]), (size, size))


def correspondence_sheet(
    views: tuple[np.ndarray, np.ndarray], pairs: BestPairs, out_path: str | Path
) -> None:
    """Draws one PNG: both views, a line for each pair, a frame on each view's closest region.

    Args:
        views: (size, size, 3) uint8 RGB.
        pairs: What was found in them.
        out_path: PNG file to write.
    """
    top = 2 * MARGIN + FONT_SIZE
    corners = ((MARGIN, top), (2 * MARGIN + SIDE, top))
    sheet = Image.new('RGB', (2 * SIDE + 3 * MARGIN, top + SIDE + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_heading(draw, pairs)
    for view, corner, region in zip(views, corners, pairs.closest, strict=True):
        picture = Image.fromarray(view).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        sheet.paste(picture, corner)
        _draw_frame(draw, corner, region, pairs.grid)
    lines = [
        tuple(
            _center(corner, region, pairs.grid)
            for corner, region in zip(corners, ends, strict=True)
        )
        for ends in zip(pairs.first, pairs.second, strict=True)
    ]
    for line in lines:
        draw.line(line, fill=INK, width=LINE + 2)
        draw.line(line, fill=LINE_COLOR, width=LINE)
    for number, line in reversed(list(enumerate(lines, 1))):  # the best pair lies on top
        for end in line:
            _draw_number(draw, end, number)
    with replaced_when_whole(out_path) as file:
        sheet.save(file, format='PNG')


def to_tensor(view: np.ndarray) -> torch.Tensor:
    """(H, W, 3) to (3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(view)).permute(2, 0, 1)


def _draw_heading(draw: ImageDraw.ImageDraw, pairs: BestPairs) -> None:
    font = ImageFont.load_default(FONT_SIZE)
    best, worst = pairs.cosine[0], pairs.cosine[-1]
    text = f'The {len(pairs.first)} most similar pairs, cosine {best:.2f} to {worst:.2f}   '
    draw.text((MARGIN, MARGIN), text, INK, font)
    left = MARGIN + draw.textlength(text, font)
    draw.text((left, MARGIN), 'frame: most similar to the view as a whole', VIEW_COLOR, font)


def _draw_frame(
    draw: ImageDraw.ImageDraw, corner: Point, region: int, grid: tuple[int, int]
) -> None:
    x, y = _center(corner, region, grid)
    half_width, half_height = SIDE / grid[1] / 2, SIDE / grid[0] / 2
    cell = (x - half_width, y - half_height, x + half_width, y + half_height)
    draw.rectangle(cell, outline=PAPER, width=LINE + 2)
    draw.rectangle(cell, outline=VIEW_COLOR, width=LINE)


def _center(corner: Point, region: int, grid: tuple[int, int]) -> Point:
    row, column = divmod(region, grid[1])
    return corner[0] + (column + 0.5) * SIDE / grid[1], corner[1] + (row + 0.5) * SIDE / grid[0]


def _draw_number(draw: ImageDraw.ImageDraw, center: Point, number: int) -> None:
    x, y = center
    draw.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), LINE_COLOR, INK)
    draw.text(center, str(number), INK, ImageFont.load_default(RADIUS + 3), anchor='mm')
