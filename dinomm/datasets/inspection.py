"""What is wrong with an image file, and what is unusual about it."""

from typing import NamedTuple

from PIL import Image

from .transforms.loading import (
    EMPTY,
    NO_FILE,
    TOO_MANY_BYTES,
    UNKNOWN,
    UNKNOWN_RANGE,
    BrokenImageError,
    EncodedImage,
)

VERY_SMALL = 32  # pixels of the shorter side; smaller ones give hardly more than one patch
VERY_LARGE = 50_000_000  # pixels
VERY_LONG = 10_000  # pixels of the longer side
_CUT = ('truncated', 'unexpected end', 'ends inside it', 'unpack', 'broken data stream')


_OWN = {
    NO_FILE: 'cannot be opened',
    TOO_MANY_BYTES: 'too many bytes',
    EMPTY: 'empty',
    UNKNOWN: 'no image',
    UNKNOWN_RANGE: 'values of unknown range',
}


class Finding(NamedTuple):
    """``fault`` is the kind of what makes an image unreadable, '' if nothing; ``reason`` says more.

    ``traits`` name what is unusual about one that can be read.
    """

    fault: str = ''
    reason: str = ''
    traits: tuple[str, ...] = ()


def inspect(path: str, content: bytes | None = None) -> Finding:
    """Decodes an image as training does.

    Args:
        path: The file, or a name for ``content``.
        content: The file's bytes, if they are at hand.
    """
    try:
        image = EncodedImage(path, content)
        traits = _traits(image)
        image.decode()
    except BrokenImageError as error:
        return fault_of(error)
    if _is_animated(image.header):
        traits.append('animated')
    return Finding(traits=tuple(traits))


def fault_of(error: BrokenImageError) -> Finding:
    """The kind of fault that kept an image from being decoded."""
    reason = str(error).partition(': ')[2] or str(error)
    return Finding(_kind(error.__cause__, str(error)), reason)


def _kind(cause: BaseException | None, text: str) -> str:
    if isinstance(cause, Image.DecompressionBombError):
        return 'too many pixels'
    if isinstance(cause, MemoryError):
        return 'too large for the memory'
    if isinstance(cause, FileNotFoundError) or 'does not exist' in text:
        return 'missing'
    if isinstance(cause, OSError) and cause.errno:
        return 'cannot be opened'
    for sentence, kind in _OWN.items():
        if sentence in text:
            return kind
    if any(word in text.lower() for word in _CUT):
        return 'truncated'
    return 'damaged'


def _traits(encoded: EncodedImage) -> list[str]:
    """What the header tells, before the pixels are loaded."""
    image = encoded.header
    sides = sorted((encoded.width, encoded.height))
    traits = {
        'CMYK': image.mode == 'CMYK',
        '16-bit': image.mode[0] == 'I' or _bits(encoded) == 16,
        'palette': image.mode in ('P', 'PA'),
        'transparent': 'transparency' in image.info or image.mode in ('RGBA', 'LA', 'PA'),
        'turned by EXIF': encoded.orientation in range(2, 9),
        f'very small (a side below {VERY_SMALL} pixels)': sides[0] < VERY_SMALL,
        f'very large (over {VERY_LARGE // 10**6} megapixels, or {VERY_LONG:,} pixels long)': (
            sides[0] * sides[1] > VERY_LARGE or sides[1] > VERY_LONG
        ),
    }
    return [name for name, has in traits.items() if has]


def _bits(encoded: EncodedImage) -> int:
    """Of a value in the file, where Pillow's mode does not tell."""
    image = encoded.header
    if image.format == 'PNG':
        return encoded.content[24]  # of IHDR
    tags = getattr(image, 'tag_v2', None)
    return max(tags.get(258, (8,))) if tags else 8  # BitsPerSample


def _is_animated(image: Image.Image) -> bool:
    """More than one picture; of a phone's MPO the others are no animation."""
    if image.format == 'MPO':
        return False
    try:
        return bool(getattr(image, 'is_animated', False))
    except Exception:  # what follows the first picture may be damaged
        return True
