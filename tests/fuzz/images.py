"""Images, as training decodes them."""

import io
import random
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from dinomm.datasets.transforms.loading import REDUCTIONS, EncodedImage

from .kinds import MIB, Kind
from .mutations import mutated

SIDES = (0, 1, 7, 1000, 20_000, 65_535, 2**31 - 1, 2**32 - 1)


@cache
def seeds() -> list[bytes]:
    """Small pictures of every format, mode and option that is usual."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 33, 4), dtype=np.uint8)
    smooth = Image.fromarray(pixels).resize((66, 48), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    gray16 = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    rgb = smooth.convert('RGB')
    saved = [
        (rgb, 'JPEG', {'exif': exif}),
        (rgb, 'JPEG', {'progressive': True}),
        (smooth.convert('L'), 'JPEG', {}),
        (smooth.convert('CMYK'), 'JPEG', {}),
        (rgb, 'PNG', {}),
        (smooth, 'PNG', {}),
        (smooth.convert('P'), 'PNG', {'transparency': 3}),
        (gray16, 'PNG', {}),
        (rgb, 'WEBP', {}),
        (smooth, 'WEBP', {'lossless': True}),
        (rgb.convert('P'), 'GIF', {}),
        (rgb, 'GIF', {'save_all': True, 'append_images': [rgb.rotate(90)]}),
        (rgb, 'TIFF', {}),
        (rgb, 'TIFF', {'compression': 'tiff_lzw'}),
        (rgb, 'TIFF', {'compression': 'jpeg'}),
        (gray16, 'TIFF', {'compression': 'tiff_deflate'}),
        (rgb, 'BMP', {}),
        (smooth.convert('1'), 'BMP', {}),
        (rgb, 'PPM', {}),
        (smooth.convert('L'), 'PPM', {}),
    ]
    files = []
    for image, form, options in saved:
        file = io.BytesIO()
        image.save(file, format=form, **options)
        files.append(file.getvalue())
    return files


def absurd(rng: random.Random) -> bytes:
    """A header that promises a size which no body keeps."""
    width, height = rng.choice(SIDES), rng.choice(SIDES)
    body = rng.randbytes(rng.randrange(200))
    form = rng.choice(('png', 'bmp', 'ppm', 'gif', 'jpeg'))
    if form == 'png':
        depth, colour = rng.choice((1, 8, 16)), rng.choice((0, 2, 3, 6))
        header = struct.pack('>IIBBBBB', width, height, depth, colour, 0, 0, rng.randrange(2))
        chunks = _chunk(b'IHDR', header) + _chunk(b'IDAT', zlib.compress(bytes(10_000)))
        return b'\x89PNG\r\n\x1a\n' + chunks + _chunk(b'IEND', b'')
    if form == 'bmp':
        sides = struct.pack('<ii', width % 2**31, -(height % 2**31))
        return b'BM' + struct.pack('<IHHII', 99, 0, 0, 54, 40) + sides + bytes(28) + body
    if form == 'ppm':
        return (
            f'P{rng.choice("123456")} {width} {height} {rng.choice((1, 255, 65535))}\n'.encode()
            + (body)
        )
    if form == 'gif':
        return b'GIF89a' + struct.pack('<HH', width % 2**16, height % 2**16) + body
    sides = struct.pack('>HH', height % 2**16, width % 2**16)
    jpeg = seeds()[0]
    at = jpeg.index(b'\xff\xc0') + 5
    return jpeg[:at] + sides + jpeg[at + 4 :]


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack('>I', len(content)) + name + content + struct.pack('>I', checksum)


def generate(rng: random.Random) -> bytes:
    """A mutated picture, one with an absurd header, or noise behind a signature."""
    if rng.random() < 0.08:
        return absurd(rng)
    seed = rng.choice(seeds())
    if rng.random() < 0.05:
        return seed[: rng.randint(2, 24)] + rng.randbytes(rng.randrange(400))
    return mutated(rng, seed, seeds())


def read(path: Path) -> None:
    """By the loader's own steps: the header, then the pixels at every reduction."""
    image = EncodedImage(str(path))
    for reduction in image.reductions:
        picture = EncodedImage(str(path)).decode(reduction)
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    assert set(image.reductions) <= set(REDUCTIONS)


KIND = Kind('image', 0.3, '.jpg', generate, read, memory=2048 * MIB)
