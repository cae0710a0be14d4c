"""Decodes image files."""

import io
import os
import stat
import warnings
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, UnidentifiedImageError

from dinomm.registry import TRANSFORMS

_ORIENTATION = 0x0112  # EXIF tag; its values that ...
_TRANSPOSED = (5, 6, 7, 8)
_MIRRORED = (2, 3, 6, 7)
_UPSIDE_DOWN = (3, 4, 7, 8)

FORMATS = ('BMP', 'GIF', 'JPEG', 'PNG', 'PPM', 'TIFF', 'WEBP')
"""What is decoded, whatever the suffix. Pillow knows more, some of which start other programs."""
MAX_FILE_BYTES = 2**31
"""Larger files are refused unread."""
NO_FILE = 'it is no regular file'
TOO_MANY_BYTES = 'too many bytes for an image'
EMPTY = 'it is empty'
UNKNOWN = 'no image, or of an unknown format'
BAD_HEADER = 'its header is damaged or cut'
UNKNOWN_RANGE = 'values of unknown range'

_STRIP = 2**24  # pixels converted at once, so that a conversion's copies of an image stay small
_BEGINNINGS = (b'\xff\xd8', b'\x89PNG', b'GIF8', b'RIFF', b'II*\0', b'MM\0*', b'BM')
_JPEG = ('JPEG', 'MPO')
_JPEG_END = b'\xff\xd9'
_OPENCV_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
REDUCTIONS = tuple(_OPENCV_FLAGS)
"""Factors by which a JPEG can be made smaller while it is decoded."""


warnings.filterwarnings('ignore', category=Image.DecompressionBombWarning)  # large, but read


class BrokenImageError(ValueError):
    """A file that cannot be decoded."""


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Reads ``img_path`` into ``img``: RGB, uint8, (H, W, 3), upright as EXIF tells.

    Where the data set gives the file's content as ``img_bytes`` (shards, remote files), that is
    decoded and the path only named. Transparent pixels are laid on white; 16-bit gray is scaled to
    8 bits; of an animation the first picture is taken. The content decides the format, not the
    suffix.

    Args:
        deferred: ``img`` is an :class:`EncodedImage`. Only :class:`.MultiCrop` takes one: it
            decodes after it has drawn its boxes, a large JPEG at a fraction of its size.

    Raises:
        BrokenImageError: The file is missing or cannot be decoded, has more than 178,956,970 pixels
            (Pillow's limit against decompression bombs) or :data:`MAX_FILE_BYTES`, or its values
            have no known range (floats, integers of more than 16 bits).
    """

    def __init__(self, deferred: bool = False) -> None:
        self.deferred = deferred

    def transform(self, results: dict) -> dict:
        """Adds ``img``; takes ``img_bytes`` away."""
        image = EncodedImage(results['img_path'], results.pop('img_bytes', None))
        results['img'] = image if self.deferred else image.decode()
        return results


class EncodedImage:
    """An image file whose header has been read.

    Args:
        path: The file, or a name for ``content``.
        content: The file's bytes, if they are at hand.

    Attributes:
        height: In pixels, after EXIF's orientation.
        width: Likewise.
        reductions: Factors that :meth:`decode` can be asked for.
        content: The file's bytes.
        header: Pillow's image, whose pixels are loaded when they are decoded.
        orientation: EXIF's, 1 for an upright picture.

    Raises:
        BrokenImageError: See :class:`LoadImage`.
    """

    def __init__(self, path: str, content: bytes | None = None) -> None:
        self.path = path
        try:
            self.content = _content(path) if content is None else content
            self.header = _open(self.content)
            self.orientation = _orientation(self.header)
        except Exception as error:  # decoders raise nearly everything on a damaged file
            raise BrokenImageError(f'cannot read {path}: {error}') from error
        self._sides = self.header.size
        transposed = self.orientation in _TRANSPOSED
        self.width, self.height = self._sides[::-1] if transposed else self._sides
        self.reductions = REDUCTIONS if self.header.format in _JPEG else (1,)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f'the picture is not decoded yet, so it has no {name!r}: a transform between LoadImage '
            'and MultiCrop needs LoadImage with deferred=False'
        )

    def decode(self, reduction: int = 1) -> np.ndarray:
        """The picture, RGB uint8 (ceil(height / reduction), ceil(width / reduction), 3).

        Raises:
            BrokenImageError: See :class:`LoadImage`.
        """
        try:
            picture = self._decode_by_opencv(reduction)
            if picture is None:
                picture = self._decode_by_pillow(reduction)
        except Exception as error:
            raise BrokenImageError(f'cannot read {self.path}: {error}') from error
        return _upright(picture, self.orientation)

    def _decode_by_opencv(self, reduction: int) -> np.ndarray | None:
        """Faster, for JPEGs alone; of a truncated one it would make up the rest."""
        usual = self.header.format in _JPEG and self.header.mode in ('RGB', 'L')
        if not usual or not self.content.endswith(_JPEG_END):
            return None
        flags = _OPENCV_FLAGS[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            picture = cv2.imdecode(np.frombuffer(self.content, np.uint8), flags)
        except cv2.error:
            return None
        return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def _decode_by_pillow(self, reduction: int) -> np.ndarray:
        if reduction > 1:
            width, height = self._sides
            self.header.draft(None, (width // reduction, height // reduction))
        self.header.load()
        return _pixels(self.header)


def _content(path: str) -> bytes:
    with open(path, 'rb', buffering=0, opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(NO_FILE)
        if status.st_size > MAX_FILE_BYTES:
            raise ValueError(f'{TOO_MANY_BYTES} ({status.st_size:,})')
        return file.read()


def _open_at_once(path: str, flags: int) -> int:
    """Without waiting for another process to write, where the path is a pipe."""
    return os.open(path, flags | getattr(os, 'O_NONBLOCK', 0))


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:  # its message names the buffer
        fault = BAD_HEADER if content.startswith(_BEGINNINGS) else UNKNOWN
        raise ValueError(fault if content else EMPTY) from None


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata do not spoil the pixels
        return 1


def _upright(picture: np.ndarray, orientation: int) -> np.ndarray:
    if orientation in _TRANSPOSED:
        picture = picture.swapaxes(0, 1)
    if orientation in _UPSIDE_DOWN:
        picture = picture[::-1]
    if orientation in _MIRRORED:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


def _pixels(image: Image.Image) -> np.ndarray:
    width, height = image.size
    rows = max(1, _STRIP // width)
    if rows >= height:
        return np.array(_rgb(image))
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(_rgb(image.crop((0, top, width, bottom))))
    return pixels


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == 'RGB' and 'transparency' not in image.info:
        return image
    if image.mode[0] in 'IF':
        return Image.fromarray(_eight_bits(np.asarray(image))).convert('RGB')
    if 'transparency' in image.info or image.mode in ('RGBA', 'LA', 'PA', 'RGBa', 'La'):
        image = image.convert('RGBA')
        white = Image.new('RGBA', image.size, 'white')
        return Image.alpha_composite(white, image).convert('RGB')
    return image.convert('RGB')


def _eight_bits(gray: np.ndarray) -> np.ndarray:
    if gray.dtype.kind == 'f' or gray.min() < 0 or gray.max() > 65535:
        raise ValueError(f'{UNKNOWN_RANGE} ({gray.dtype}): convert it to 8 or 16 bits')
    return (gray / 257 + 0.5).astype(np.uint8)
