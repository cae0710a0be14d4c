"""Masks of objects: palette PNGs, and how much two masks overlap."""

from pathlib import Path

import numpy as np
from PIL import Image

from dinomm.foreign_names import fault_of_name
from dinomm.visualization.files import replaced_when_whole

VOID = 255
"""Label of the pixels that an annotator left open."""

READ_MODES = ('P', 'L')


def read_names(listing: Path, kind: str, layout: str) -> list[str]:
    """The names in a list of annotated images or videos.

    Args:
        listing: The file.
        kind: What it names, for messages.
        layout: The folder that was expected, for messages.

    Raises:
        ValueError: There is no such file, no name in it, or one that leads out of the folder.
    """
    if not listing.is_file():
        raise ValueError(f'{listing} does not exist: expected {layout}')
    names = listing.read_text(encoding='utf-8', errors='surrogateescape').split()
    if not names:
        raise ValueError(f'{listing} names no {kind}')
    for name in names:
        if fault := fault_of_name(name):
            raise ValueError(
                f'{listing} names a {kind} {name!r:.200}, which {fault}: expected names below the '
                f'folder, {layout}'
            )
    return names


def read_mask(path: str | Path) -> np.ndarray:
    """(H, W) uint8, the number of the object at each pixel; 0 is background, 255 void.

    Raises:
        ValueError: There is no such file, it cannot be decoded, or it holds colours or more than
            8 bits in place of object numbers.
    """
    with _open_mask(path) as image:
        return np.array(image)


def read_palette(path: str | Path) -> list[int]:
    """The colours of a mask's file, flat red, green, blue; the usual ones if it has none.

    Raises:
        ValueError: As :func:`read_mask`.
    """
    with _open_mask(path) as image:
        return image.getpalette() or usual_palette()


def _open_mask(path: str | Path) -> Image.Image:
    if not Path(path).is_file():
        raise ValueError(f'mask {path} does not exist')
    try:
        image = Image.open(path)
        image.load()
    except Exception as error:  # decoders raise nearly everything on a damaged file
        raise ValueError(f'cannot read mask {path}: {error}') from None
    if image.mode not in READ_MODES:
        raise ValueError(
            f'mask {path} is of mode {image.mode}: expected a PNG with a palette, or 8-bit gray, '
            'whose pixels are numbers of objects'
        )
    return image


def write_mask(path: str | Path, mask: np.ndarray, palette: list[int]) -> None:
    """Writes a PNG with a palette; whole, or not at all.

    Args:
        path: The file.
        mask: (H, W) uint8 numbers.
        palette: Flat red, green, blue.
    """
    image = Image.fromarray(mask)
    image.putpalette(palette)
    with replaced_when_whole(path) as file:
        image.save(file, format='PNG')


def usual_palette() -> list[int]:
    """256 colours of PASCAL VOC, flat: bits 0, 3, 6 of a number make its red, 1, 4, 7 its green ...

    The first bit of a channel weighs 128.
    """
    numbers = np.arange(256)
    channels = [
        sum((numbers >> (3 * place + channel) & 1) << (7 - place) for place in range(3))
        for channel in range(3)
    ]
    return np.stack(channels, axis=1).flatten().tolist()


def jaccard(first: np.ndarray, second: np.ndarray, void: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union of masks (..., H, W), which broadcast; 1 where both are empty.

    Args:
        first: Boolean.
        second: Boolean.
        void: Pixels that do not count.
    """
    counted = True if void is None else ~void
    union = ((first | second) & counted).sum((-2, -1))
    both = (first & second & counted).sum((-2, -1))
    return np.where(union > 0, both / np.maximum(union, 1), 1.0)
