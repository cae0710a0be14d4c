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
    read, stamp = from_bytes(to_bytes(index, {'size': 2**43}))
    assert (read.names, read.labels, read.fault) == (NAMES, index.labels, 'x')
    assert stamp == {'size': 2**43}
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


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'offsets': [-1]}, 'outside the shard'),
        ({'sizes': [-1]}, 'outside the shard'),
        ({'offsets': [2**63 - 1], 'sizes': [900]}, 'outside the shard'),
        ({'sizes': [2**40]}, 'outside the shard'),
        ({'names': ['../a.jpg']}, 'not those of members'),
        ({'names': ['/a.jpg']}, 'not those of members'),
        ({'names': ['b/.hidden/a.jpg']}, 'not those of members'),
    ],
)
def test_an_index_from_elsewhere_names_members_alone(changes, message):
    sound = {'names': ['a.jpg'], 'labels': [''], 'offsets': [512], 'sizes': [9], 'fault': ''}
    from_bytes(to_bytes(index_with(sound), {'size': 1024}))
    with pytest.raises(ValueError, match=message):
        from_bytes(to_bytes(index_with(sound | changes), {'size': 1024}))


def index_with(parts):
    places = {key: np.array(parts[key], dtype=np.int64) for key in ('offsets', 'sizes')}
    return ShardIndex(**{**parts, **places})


def test_a_nested_index_is_refused():
    with pytest.raises(ValueError, match='recursion'):
        from_bytes(b'[' * 100_000 + b'\n')


def test_members_do_not_leave_the_archive():
    members = [
        ('good.jpg', b'1'),
        ('../up.jpg', b'2'),
        ('a/../../up.jpg', b'2'),
        ('/root.jpg', b'3'),
    ]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        link = tarfile.TarInfo(f'link{int(kind)}.jpg')
        link.type, link.linkname = kind, '/etc/passwd'
        members.append(link)
    index = index_of(make_tar(members))
    assert index.names == ['good.jpg', 'root.jpg']  # of its root, as tar unpacks it
    assert 'link1.jpg is no plain file' in index.fault


def test_a_member_of_negative_length_ends_the_archive():
    header = bytearray(make_tar([('a.jpg', b'1'), ('b.jpg', b'2')]))
    at = 1024  # of the second header
    header[at + 124 : at + 136] = b'\xff' * 12  # a number in base 256: -1
    checksum = sum(header[at : at + 148]) + 8 * 32 + sum(header[at + 156 : at + 512])
    header[at + 148 : at + 156] = b'%06o\0 ' % checksum
    index = index_of(bytes(header))
    assert index.names == ['a.jpg']
    assert 'damaged from byte 1024' in index.fault


def test_a_chain_of_long_names_is_no_endless_recursion():
    link = tarfile.TarInfo('x')
    link.type, link.size = tarfile.GNUTYPE_LONGNAME, 1
    pair = link.tobuf(tarfile.GNU_FORMAT) + b'x' + bytes(511)
    with pytest.raises(ValueError, match='recursion'):
        index_of(pair * 2000)
