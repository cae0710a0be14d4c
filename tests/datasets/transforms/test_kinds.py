"""Every kind of image file is decoded right, or refused at once and in little memory."""

import errno
import os
import resource
import time
import zlib

import numpy as np
import pytest

from dinomm.datasets.transforms import BrokenImageError, loading
from dinomm.datasets.transforms.loading import EncodedImage
from tests.datasets import picture_kinds

UNUSUAL = {name: rest for name, *rest in picture_kinds.unusual(3)}
BROKEN = {name: content for _, name, content in picture_kinds.broken(3)}


@pytest.mark.parametrize('name', UNUSUAL)
def test_unusual_ones_show_what_they_mean(name, tmp_path):
    content, expected, tolerance = UNUSUAL[name]
    path = tmp_path / name
    path.write_bytes(content)
    image = EncodedImage(str(path))
    picture = image.decode()
    assert picture.shape == expected.shape == (image.height, image.width, 3)
    assert np.abs(picture.astype(float) - expected).max() <= tolerance
    assert np.array_equal(EncodedImage(name, content).decode(), picture)


@pytest.mark.parametrize('name', BROKEN)
def test_broken_ones_are_refused(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    begin = time.monotonic()
    for reduction in (1, 4):
        with pytest.raises(BrokenImageError, match=f'cannot read .*{name}: '):
            EncodedImage(str(path)).decode(reduction)
    assert time.monotonic() - begin < 2


FIRST_IN_HALF = {'animated.png', 'of_a_phone.jpg', 'pages.tiff', 'and_more.jpg'}


@pytest.mark.parametrize('name', sorted(UNUSUAL.keys() - FIRST_IN_HALF))
def test_the_half_of_any_is_refused(name):
    content = UNUSUAL[name][0]
    with pytest.raises(BrokenImageError):
        EncodedImage(name, content[: len(content) // 2]).decode()


def test_what_is_no_file(tmp_path):
    names = picture_kinds.write_beside_files(tmp_path)
    (tmp_path / 'folder.jpg').mkdir()
    for name in [*names, 'folder.jpg']:
        with pytest.raises(BrokenImageError, match=name):
            EncodedImage(str(tmp_path / name))


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(loading.os, 'open', refuse)  # root may read everything
    with pytest.raises(BrokenImageError, match=r'a\.jpg: .*Permission denied'):
        EncodedImage(str(tmp_path / 'a.jpg'))


def test_a_file_too_large_for_an_image_is_not_read(tmp_path):
    path = tmp_path / 'disk.png'
    with open(path, 'wb') as file:
        file.truncate(loading.MAX_FILE_BYTES + 1)  # takes no space
    with pytest.raises(BrokenImageError, match='too many bytes'):
        EncodedImage(str(path))


def test_what_inflates_takes_no_memory():
    packed = picture_kinds.zeros(1000)  # a gigabyte
    line = zlib.compress((b'\0' + b'\x80' * 48) * 16)
    chunks = {name: picture_kinds.png_chunk(name, b'x\0\0' + packed) for name in (b'zTXt', b'iCCP')}
    size = (16, 16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert EncodedImage('a.png', picture_kinds.png(size, 8, 2, packed)).decode().shape == (
        16,
        16,
        3,
    )
    for name, chunk in chunks.items():
        content = picture_kinds.png(size, 8, 2, line, chunk)
        with pytest.raises(BrokenImageError, match='too large'):
            EncodedImage(name.decode(), content).decode()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 2**10


def test_large_ones_are_converted_in_strips(monkeypatch):
    for name in ('alpha.png', '16_bits.png', 'palette_half.png', 'cmyk.jpg'):
        content = UNUSUAL[name][0]
        whole = EncodedImage(name, content).decode()
        with monkeypatch.context() as patch:
            patch.setattr(loading, '_STRIP', 7 * 60)
            assert np.array_equal(EncodedImage(name, content).decode(), whole)
