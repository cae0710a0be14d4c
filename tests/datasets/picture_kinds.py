"""Image files of every unusual kind, with the pixels that they mean, and files that are none."""

import io
import itertools
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

LOSSY = 14  # largest error of a smooth picture as JPEG of quality 95, or as lossy WebP
RGB_BITS_16 = '16_bits_rgb.png'


def photo(seed: int, height: int = 40, width: int = 60) -> Image.Image:
    """A smooth random picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str, more=(), **options) -> bytes:
    """The bytes of a file, maybe of several pictures."""
    file = io.BytesIO()
    if more:
        options.update(save_all=True, append_images=[other.copy() for other in more])
    image.copy().save(
        file, form, **options
    )  # Pillow leaves the encoder's settings in what it saves
    return file.getvalue()


def png(size, bits: int, colour: int, data: bytes, *chunks: bytes) -> bytes:
    """A PNG from its scan lines; its size (width, height) may be a lie."""
    head = struct.pack('>IIBBBBB', *size, bits, colour, 0, 0, 0)
    parts = [png_chunk(b'IHDR', head), *chunks, png_chunk(b'IDAT', data), png_chunk(b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Length, name, content, checksum."""
    return (
        struct.pack('>I', len(content))
        + name
        + content
        + struct.pack('>I', zlib.crc32(name + content))
    )


def unusual(seed: int) -> Iterator[tuple[str, bytes, np.ndarray, int]]:
    """File name, content, the picture (H, W, 3) that it shows, largest error of a value."""
    image = photo(seed)
    pixels = np.asarray(image)
    gray = pixels[..., 0]
    gray_picture = np.dstack([gray] * 3)
    yield 'cmyk.jpg', encoded(image.convert('CMYK'), 'JPEG', quality=95), pixels, LOSSY
    yield 'cmyk_without_adobe.jpg', without_adobe(image), pixels, LOSSY
    yield 'cmyk.tif', encoded(image.convert('CMYK'), 'TIFF'), pixels, 0
    deep = Image.fromarray(gray.astype(np.uint16) * 257)
    yield '16_bits.png', encoded(deep, 'PNG'), gray_picture, 0
    yield '16_bits.tif', encoded(deep, 'TIFF'), gray_picture, 0
    rows = b''.join(b'\0' + row.tobytes() for row in pixels.astype('>u2') * 257)
    yield RGB_BITS_16, png(image.size, 16, 2, zlib.compress(rows)), pixels, 0
    yield from with_few_colours(image)
    yield from with_alpha(pixels)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(image, 'PNG', exif=exif)
        yield f'orientation_{orientation}.png', content, upright(pixels, orientation), 0
    exif[0x0112] = 6
    yield (
        'orientation_6.jpg',
        encoded(image, 'JPEG', quality=95, exif=exif),
        upright(pixels, 6),
        LOSSY,
    )
    for name, height, width in (('wide', 1, 30), ('high', 30, 1), ('alone', 1, 1)):
        thin = photo(seed, height, width)
        yield f'one_pixel_{name}.png', encoded(thin, 'PNG'), np.asarray(thin), 0
    long = photo(seed, 30, 20_000)
    yield '20000_pixels.png', encoded(long, 'PNG', compress_level=1), np.asarray(long), 0
    yield '20000_pixels.jpg', encoded(long, 'JPEG', quality=95), np.asarray(long), LOSSY
    other = [photo(seed + 1), photo(seed + 2)]
    yield 'animated.webp', encoded(image, 'WEBP', lossless=True, more=other), pixels, 0
    yield 'animated.png', encoded(image, 'PNG', more=other), pixels, 0
    yield 'of_a_phone.jpg', encoded(image, 'MPO', quality=95, more=other), pixels, LOSSY
    yield 'pages.tiff', encoded(image, 'TIFF', more=other), pixels, 0
    yield 'a_png.jpg', encoded(image, 'PNG'), pixels, 0
    yield 'a_jpeg.png', encoded(image, 'JPEG', quality=95), pixels, LOSSY
    jpeg = encoded(image, 'JPEG', quality=95, progressive=True)
    yield 'progressive.jpeg', jpeg, pixels, LOSSY
    yield 'and_more.jpg', jpeg + b'a film of a phone', pixels, LOSSY
    yield 'lossy.webp', encoded(image, 'WEBP', quality=95), pixels, LOSSY
    yield 'packed.tif', encoded(image, 'TIFF', compression='tiff_lzw'), pixels, 0
    yield 'photo.bmp', encoded(image, 'BMP'), pixels, 0
    yield 'photo.ppm', encoded(image, 'PPM'), pixels, 0


def with_few_colours(image: Image.Image) -> Iterator[tuple[str, bytes, np.ndarray, int]]:
    """Black and white, palettes."""
    bits = image.convert('L').point(lambda value: 255 * (value > 127), '1')
    black_white = np.dstack([np.asarray(bits) * np.uint8(255)] * 3)
    yield '1_bit.png', encoded(bits, 'PNG'), black_white, 0
    yield '1_bit.bmp', encoded(bits, 'BMP'), black_white, 0
    yield 'fax.tif', encoded(bits, 'TIFF', compression='group4'), black_white, 0
    numbers = (np.arange(2400).reshape(40, 60) % 3).astype(np.uint8)
    colours = np.array([[10, 20, 30], [40, 250, 60], [200, 90, 0]], np.uint8)
    indexed = Image.fromarray(numbers)
    indexed.putpalette(colours.tobytes())
    yield 'palette.png', encoded(indexed, 'PNG'), colours[numbers], 0
    yield 'palette.gif', encoded(indexed, 'GIF'), colours[numbers], 0
    second = Image.fromarray(2 - numbers)
    second.putpalette(colours.tobytes())
    film = encoded(indexed, 'GIF', more=[second])
    yield 'animated.gif', film, colours[numbers], 0
    holes = np.where(numbers[..., None] == 1, 255, colours[numbers])
    yield 'palette_with_hole.png', encoded(indexed, 'PNG', transparency=1), holes, 0
    yield 'palette_with_hole.gif', encoded(indexed, 'GIF', transparency=1), holes, 0
    half = np.rint(255 * 0.6 + 0.4 * colours[0])
    veiled = np.where(numbers[..., None] == 0, half, colours[numbers])
    yield (
        'palette_half.png',
        encoded(indexed, 'PNG', transparency=bytes([102, 255, 255])),
        veiled,
        1,
    )


def with_alpha(pixels: np.ndarray) -> Iterator[tuple[str, bytes, np.ndarray, int]]:
    """Half transparent, on white."""
    alpha = np.full(pixels.shape[:2], 255, np.uint8)
    alpha[:10], alpha[10:20] = 0, 102
    share = alpha[..., None] / 255
    on_white = 255 * (1 - share) + share * pixels
    image = Image.fromarray(np.dstack([pixels, alpha]))
    yield 'alpha.png', encoded(image, 'PNG'), on_white, 1
    yield 'alpha.tif', encoded(image, 'TIFF'), on_white, 1
    yield 'alpha.webp', encoded(image, 'WEBP', lossless=True, exact=True), on_white, 1
    gray = Image.fromarray(np.dstack([pixels[..., 0], alpha]), mode='LA')
    yield 'gray_alpha.png', encoded(gray, 'PNG'), np.dstack([on_white[..., 0]] * 3), 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """EXIF 2.3, tag Orientation: where the first row and column belong."""
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels),
    }[orientation]


def without_adobe(image: Image.Image) -> bytes:
    """A CMYK JPEG without the marker that says its values are inverted, as they always are."""
    content = encoded(image.convert('CMYK'), 'JPEG', quality=95)
    start = content.index(b'\xff\xee')
    (length,) = struct.unpack_from('>H', content, start + 2)
    return content[:start] + content[start + 2 + length :]


def broken(seed: int) -> Iterator[tuple[str, str, bytes]]:
    """Kind of fault, file name, content."""
    image = photo(seed)
    whole = {
        'baseline.jpg': encoded(image, 'JPEG'),
        'progressive.jpg': encoded(image, 'JPEG', progressive=True),
        'photo.png': encoded(image, 'PNG'),
        'photo.gif': encoded(image, 'GIF'),
        'lossy.webp': encoded(image, 'WEBP'),
        'photo.bmp': encoded(image, 'BMP'),
        'photo.ppm': encoded(image, 'PPM'),
        'photo.tif': encoded(image, 'TIFF', compression='tiff_lzw'),
    }
    for name, content in whole.items():
        fault = 'damaged' if name in ('lossy.webp', 'photo.tif') else 'truncated'  # as decoders say
        yield fault, f'half_{name}', content[: len(content) // 2]
    scan = whole['baseline.jpg'].index(b'\xff\xda')
    yield 'truncated', 'header_alone.jpg', whole['baseline.jpg'][: scan + 14]
    yield 'damaged', 'header_alone.png', whole['photo.png'][:33]
    for suffix in ('jpg', 'png'):
        yield 'empty', f'empty.{suffix}', b''
    yield 'no image', 'page.jpg', b'<html>not found</html>'
    yield 'no image', 'noise.png', np.random.default_rng(seed).bytes(500)
    yield 'no image', 'script.jpg', b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n'
    yield 'no image', 'archive.png', b'PK\x03\x04' + bytes(60)
    floats = Image.fromarray(np.asarray(image.convert('L'), np.float32) / 255)
    yield 'values of unknown range', 'floats.tif', encoded(floats, 'TIFF')
    integers = Image.fromarray(np.asarray(image.convert('L'), np.int32) * 70_000)
    yield 'values of unknown range', 'integers.tif', encoded(integers, 'TIFF')
    for name, content in bombs().items():
        yield 'too many pixels', name, content


def bombs(side: int = 60_000) -> dict[str, bytes]:
    """Small files whose headers promise ``side`` x ``side`` pixels."""
    image = photo(0)
    jpeg = bytearray(encoded(image, 'JPEG'))
    struct.pack_into('>HH', jpeg, jpeg.index(b'\xff\xc0') + 5, side, side)
    tiff = bytearray(encoded(image, 'TIFF'))
    (directory,) = struct.unpack_from('<I', tiff, 4)
    for entry in range(struct.unpack_from('<H', tiff, directory)[0]):
        place = directory + 2 + 12 * entry
        tag = struct.unpack_from('<H', tiff, place)[0]
        if tag in (256, 257, 278):  # width, height, rows of a strip
            struct.pack_into('<HHII', tiff, place, tag, 4, 1, side)
    webp = bytearray(encoded(image, 'WEBP', more=[photo(1)]))
    canvas = webp.index(b'VP8X') + 12
    webp[canvas : canvas + 6] = (side - 1).to_bytes(3, 'little') * 2
    gif = bytearray(encoded(image, 'GIF'))
    struct.pack_into('<HH', gif, 6, side, side)
    return {
        'bomb.png': png((side, side), 8, 2, zlib.compress(bytes(1000))),
        'bomb.jpg': bytes(jpeg),
        'bomb.tif': bytes(tiff),
        'bomb.webp': bytes(webp),
        'bomb.gif': bytes(gif),
    }


def zeros(megabytes: int) -> bytes:
    """Compressed."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(2**20)) for _ in range(megabytes)]
    return b''.join([*parts, packer.flush()])


def write_many(folder: Path, files: Callable[[int], Iterator[tuple]], count: int) -> list[str]:
    """So many files of these kinds, each kind again with another picture; returns their names."""
    names = []
    for seed in itertools.count():
        for item in files(seed):
            name, content = (item[0], item[1]) if files is unusual else (item[1], item[2])
            path = folder / f'{seed}_{name}'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            names.append(path.name)
            if len(names) == count:
                return names
    return names


def write_beside_files(folder: Path) -> list[str]:
    """A link to nothing, and a pipe, at which a reader would wait for ever; returns their names."""
    (folder / 'link.png').symlink_to(folder / 'gone.png')
    os.mkfifo(folder / 'pipe.jpg')
    return ['link.png', 'pipe.jpg']
