import io
import os
import subprocess
import tarfile

import numpy as np
import pytest

from dinomm.datasets.shard_index import ShardIndex, from_bytes, index_tar, plain_name, to_bytes

from .tars import make_tar

LONG = f'{"folder" * 20}/{"name" * 40}.jpg'
NAMES = ['a.jpg', 'b/späte 日本.png', 'c/two\nlines .JPEG', LONG, os.fsdecode(b'd/bad\xff.webp')]


def index_of(content):
    return index_tar(io.BytesIO(content), len(content))


def contents(index, content):
    places = zip(index.offsets, index.sizes, strict=True)
    return [content[offset : offset + size] for offset, size in places]


def link(kind, name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize('form', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_names_and_their_bytes(form):
    images = [(name, bytes([i]) * 700 * i) for i, name in enumerate(NAMES)]
    content = make_tar(images, form)
    index = index_of(content)
    assert index.names == NAMES
    assert index.labels == [''] * 5
    assert contents(index, content) == [image for _, image in images]
    assert index.fault == ''


def test_a_tar_made_by_tar(tmp_path):
    for name in ('cat/1 a.jpg', 'cat/._1 a.jpg', '.trash/x.jpg', 'ä.png', 'notes.md'):
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'in' / name).write_bytes(name.encode())
    subprocess.run(['tar', '-C', tmp_path / 'in', '-cf', tmp_path / 'x.tar', '.'], check=True)
    content = (tmp_path / 'x.tar').read_bytes()
    index = index_of(content)
    assert sorted(index.names) == ['cat/1 a.jpg', 'ä.png']
    assert contents(index, content) == [name.encode() for name in index.names]


def test_labels_stand_beside_their_images():
    members = [
        ('a.cls', b'7\n'),
        ('a.jpg', b'x'),
        ('a.png', b'y'),
        ('a.json', b'{}'),
        ('sub/a.jpg', b'z'),
        ('sub/b.1.jpg', b'1'),
        ('sub/b.1.cls', 'Möwe'.encode()),
        ('sub/c.left.jpg', b'2'),
        ('sub/c.cls', b'3'),
    ]
    index = index_of(make_tar(members))
    assert dict(zip(index.names, index.labels, strict=True)) == {
        'a.jpg': '7',
        'a.png': '7',
        'sub/a.jpg': '',
        'sub/b.1.jpg': 'Möwe',
        'sub/c.left.jpg': '3',
    }


def test_links_and_repeated_members():
    members = [
        ('a.jpg', b'old'),
        link(tarfile.LNKTYPE, 'hard.jpg', './a.jpg'),
        link(tarfile.SYMTYPE, 'soft.jpg', 'a.jpg'),
        link(tarfile.LNKTYPE, 'lost.jpg', 'b.jpg'),
        link(tarfile.DIRTYPE, 'folder.jpg', ''),
        ('a.jpg', b'newer'),
    ]
    content = make_tar(members)
    index = index_of(content)
    assert index.names == ['a.jpg', 'hard.jpg']
    assert contents(index, content) == [b'newer', b'old']
    assert index.fault == 'lost.jpg is no plain file'


@pytest.mark.parametrize(
    ('name', 'plain'),
    [
        ('./a//b.jpg', 'a/b.jpg'),
        ('/a.jpg', 'a.jpg'),
        ('../a.jpg', None),
        ('a/.b/c.jpg', None),
        ('._a.jpg', None),
    ],
)
def test_plain_names(name, plain):
    assert plain_name(name) == plain


def three_images():
    return make_tar([(f'{i}.jpg', bytes([i + 1]) * 1000) for i in range(3)])


@pytest.mark.parametrize(
    ('length', 'whole', 'fault'),
    [
        (3 * 1536 - 600, 2, '2.jpg is cut short'),
        (2 * 1536 + 512 + 999, 2, '2.jpg is cut short'),
        (2 * 1536 + 512 + 1000, 3, 'it is cut short or damaged from byte 4608 on'),
        (2 * 1536 + 300, 2, 'without the mark of its end'),
        (2 * 1536, 2, 'without the mark of its end'),
        (1536 - 20, 1, 'it is cut short or damaged from byte 1536 on'),
        (700, 0, '0.jpg is cut short'),
    ],
)
def test_of_a_cut_shard_the_whole_images_are_used(length, whole, fault):
    content = three_images()[:length]
    index = index_of(content)
    assert index.names == [f'{i}.jpg' for i in range(whole)]
    assert contents(index, content) == [bytes([i + 1]) * 1000 for i in range(whole)]
    assert fault in index.fault


def test_damage_in_the_middle_is_named():
    content = bytearray(three_images())
    content[1536:1600] = b'#' * 64
    index = index_of(bytes(content))
    assert index.names == ['0.jpg']
    assert index.fault == 'it is damaged from byte 1536 on'


@pytest.mark.parametrize(
    ('content', 'says'),
    [
        (b'', 'is empty'),
        (b'<html>' * 200, 'is no tar file'),
        (b'\x1f\x8b' + b'0' * 600, 'is compressed'),
    ],
)
def test_what_is_no_tar_file(content, says):
    with pytest.raises(ValueError, match=says):
        index_of(content)


def test_an_index_is_kept_as_data():
    index = ShardIndex(NAMES, ['', '1', 'Möwe', '', '2'], np.arange(5) * 2**40, np.arange(5), 'x')
    read, stamp = from_bytes(to_bytes(index, {'size': 3}))
    assert (read.names, read.labels, read.fault, stamp) == (NAMES, index.labels, 'x', {'size': 3})
    assert read.offsets.tolist() == index.offsets.tolist()
    assert read.sizes.tolist() == index.sizes.tolist()
    empty = ShardIndex([], [], np.zeros(0), np.zeros(0), '')
    assert from_bytes(to_bytes(empty, {}))[0].names == []


def test_a_damaged_index_is_refused():
    index = index_of(make_tar([('a.jpg', b''), ('a.cls', b'cat')]))
    content = to_bytes(index, {})
    for damaged in (b'', b'{}\n', content[:-1], content.replace(b'index 1', b'index 0'), b'\xff'):
        with pytest.raises(ValueError):
            from_bytes(damaged)
