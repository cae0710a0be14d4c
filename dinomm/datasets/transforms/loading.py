"""Decodes image files."""

import io

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image, ImageOps

from dinomm.registry import TRANSFORMS

_ORIENTATION = 0x0112  # EXIF tag


class BrokenImageError(ValueError):
    """A file that cannot be decoded."""


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Reads ``img_path`` into ``img``: RGB, uint8, (H, W, 3), upright as EXIF tells.

    Where the data set gives the file's content as ``img_bytes`` (shards, remote files), that is
    decoded and the path only named.

    Transparent pixels are laid on white; 16-bit gray is scaled to 8 bits; of an animation the
    first picture is taken.

    Raises:
        BrokenImageError: The file is missing or cannot be decoded, or its values have no known
            range (floats, integers of more than 16 bits).
    """

    def transform(self, results: dict) -> dict:
        """Adds ``img``."""
        results['img'] = decode(results['img_path'], results.pop('img_bytes', None))
        return results


def decode(path: str, content: bytes | None = None) -> np.ndarray:
    """The picture in a file, or in its ``content``; see :class:`LoadImage`."""
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as image:
            image.load()
            return np.asarray(_rgb(_upright(image)))
    except Exception as error:  # decoders raise nearly everything on a damaged file
        raise BrokenImageError(f'cannot read {path}: {error}') from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(_ORIENTATION, 1) != 1
    except Exception:  # damaged metadata do not spoil the pixels
        return image
    return ImageOps.exif_transpose(image) if turned else image


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
        raise ValueError(f'values of unknown range ({gray.dtype}): convert it to 8 or 16 bits')
    return (gray / 257 + 0.5).astype(np.uint8)
