import errno
import os
import shutil
import tarfile
from collections import namedtuple

import pytest

from dinomm.datasets import index_files, packing
from dinomm.datasets.listing import find_images
from dinomm.datasets.packing import ShardSize, numbered_by_folder, pack, parse_size
from dinomm.progress import Progress

TEN = ShardSize(10, 'images')


@pytest.fixture
def folder(tmp_path):
    """Twelve files in two classes, of 600 bytes each; some names are unusual."""
    for i in range(12):
        path = tmp_path / 'in' / ('cät' if i % 2 else 'dog 1') / f'{i:02}{"long" * 30}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([i]) * 600)
    return tmp_path / 'in'


def packed(folder, out, size=TEN, **options):
    return pack(find_images(folder), out, 'x', size, Progress(print), **options)


def members(shards):
    found = {}
    for shard in shards:
        with tarfile.open(shard, 'r:', encoding='utf-8') as tar:
            found |= {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
    return found


@pytest.mark.parametrize(
    ('text', 'size'),
    [
        ('1G', (2**30, 'bytes')),
        ('1.5 MiB', (3 * 2**19, 'bytes')),
        ('500kb', (512000, 'bytes')),
        ('800B', (800, 'bytes')),
        ('10000', (10000, 'images')),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize('text', ['0', 'much', '-1G', '1X', ''])
def test_bad_sizes(text):
    with pytest.raises(ValueError, match=r'--shard-size is .* expected bytes with a unit'):
        parse_size(text)


@pytest.mark.parametrize(
    ('size', 'lengths'),
    [(TEN, [10, 2]), (ShardSize(1800, 'bytes'), [3] * 4), (ShardSize(1, 'bytes'), [1] * 12)],
)
def test_members_are_the_files_in_order(folder, tmp_path, size, lengths):
    result = packed(folder, tmp_path / 'out', size)
    assert [len(members([shard])) for shard in result.shards] == lengths
    assert [shard.name for shard in result.shards][:2] == ['x-000000.tar', 'x-000001.tar']
    listing = find_images(folder)
    found = members(result.shards)
    assert list(found) == listing.paths
    assert list(found.values()) == [(folder / path).read_bytes() for path in listing.paths]
    assert result.images == 12
    assert result.size == sum(shard.stat().st_size for shard in result.shards)


def test_the_same_files_give_the_same_bytes(folder, tmp_path):
    first = packed(folder, tmp_path / 'one')
    shutil.copytree(folder, tmp_path / 'copied', copy_function=shutil.copyfile)
    again = packed(tmp_path / 'copied', tmp_path / 'two')
    for one, two in zip(first.shards, again.shards, strict=True):
        assert one.read_bytes() == two.read_bytes()
        with tarfile.open(one) as tar:
            assert {(m.mtime, m.uid, m.gid, m.uname) for m in tar} == {(0, 0, 0, '')}


def test_the_index_is_written_too(folder, tmp_path, monkeypatch):
    result = packed(folder, tmp_path / 'out')
    monkeypatch.setattr(index_files, '_make', None)
    assert find_images(tmp_path / 'out').paths == find_images(folder).paths
    names = [name for shard in result.shards for name in (shard.name, f'{shard.name}.index')]
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == names


def test_shuffled(folder, tmp_path):
    one, same, other = (
        list(members(packed(folder, tmp_path / str(i), shuffle_seed=seed).shards))
        for i, seed in enumerate((1, 1, 2))
    )
    paths = find_images(folder).paths
    assert one == same != other
    assert one != paths and sorted(one) == sorted(paths)
    assert find_images(tmp_path / '0').paths == paths


def test_labels_by_folder(folder, tmp_path):
    listing = numbered_by_folder(find_images(folder))
    result = pack(listing, tmp_path / 'out', 'x', TEN, Progress(print))
    found = members(result.shards)
    assert len(found) == 24
    for name, content in found.items():
        if name.endswith('.cls'):
            assert content == (b'0' if name.startswith('cät') else b'1')
            assert f'{name[:-4]}.jpg' in found
    read = find_images(tmp_path / 'out')
    assert (read.paths, read.labels) == (listing.paths, listing.labels)


def test_a_list_brings_its_labels(folder, tmp_path):
    paths = find_images(folder).paths
    lines = [f'{path} {"sea" if i % 3 else "air"}' for i, path in enumerate(paths)]
    (tmp_path / 'list.txt').write_text('\n'.join(lines))
    listing = find_images(tmp_path / 'list.txt', folder)
    pack(listing, tmp_path / 'out', 'x', TEN, Progress(print))
    read = find_images(tmp_path / 'out')
    assert (read.paths, read.labels) == (listing.paths, listing.labels)


@pytest.mark.parametrize(
    ('lines', 'says'),
    [
        (['a.jpg 0', 'a.png 1'], 'a.png has the label 1, but an image of the same name'),
        (['a.jpg', 'a.jpg'], 'a.jpg is listed twice'),
        (['../in/a.jpg'], "line 1: '../in/a.jpg' has a '..'"),
        (['/a.jpg', 'a.jpg'], "line 1: '/a.jpg' is absolute"),
        (['.hidden/a.jpg', 'a.jpg'], 'hidden/a.jpg cannot be packed'),
    ],
)
def test_lists_that_cannot_be_members(tmp_path, lines, says):
    (tmp_path / 'in').mkdir()
    for name in ('a.jpg', 'a.png'):
        (tmp_path / 'in' / name).touch()
    (tmp_path / 'in/list.txt').write_text('\n'.join(lines))
    with pytest.raises(ValueError, match=says):
        packed(tmp_path / 'in/list.txt', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_shards_are_not_packed_again(folder, tmp_path):
    packed(folder, tmp_path / 'out')
    with pytest.raises(ValueError, match='only image files of this machine'):
        packed(tmp_path / 'out', tmp_path / 'again')


def test_the_output_must_be_empty(folder, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/mine').touch()
    with pytest.raises(ValueError, match=r'out is not empty \(mine\)'):
        packed(folder, tmp_path / 'out')
    with pytest.raises(ValueError, match='mine is a file'):
        packed(folder, tmp_path / 'out/mine')
    assert os.listdir(tmp_path / 'out') == ['mine']


def fail_at(number, error, monkeypatch):
    original, count = packing._add, iter(range(100))

    def add(*arguments):
        if next(count) == number:
            raise error
        original(*arguments)

    monkeypatch.setattr(packing, '_add', add)


def test_an_interruption_leaves_nothing(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        fail_at(11, KeyboardInterrupt, patch)
        packed(folder, tmp_path / 'out')
    assert os.listdir(tmp_path / 'out') == []
    assert len(packed(folder, tmp_path / 'out').shards) == 2


def test_a_kill_leaves_nothing_that_looks_whole(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(packing.shutil, 'rmtree', lambda *_, **__: None)
        fail_at(11, KeyboardInterrupt, patch)
        packed(folder, tmp_path / 'out')
    assert list((tmp_path / 'out').rglob('*.tar'))
    with pytest.raises(ValueError, match='no images found'):
        find_images(tmp_path / 'out')
    assert len(packed(folder, tmp_path / 'out').shards) == 2


def test_a_full_disk_is_named(folder, tmp_path, monkeypatch):
    with (
        monkeypatch.context() as patch,
        pytest.raises(OSError, match=r'after 7 of 12 images, .* is full'),
    ):
        fail_at(7, OSError(errno.ENOSPC, 'x'), patch)
        packed(folder, tmp_path / 'out')
    assert os.listdir(tmp_path / 'out') == []
    usage = namedtuple('usage', 'free')
    monkeypatch.setattr(packing.shutil, 'disk_usage', lambda _: usage(12 * 1535))
    with pytest.raises(ValueError, match=r'0\.0 GiB free, but the shards need 0\.0'):
        packed(folder, tmp_path / 'out')
    monkeypatch.setattr(packing.shutil, 'disk_usage', lambda _: usage(60000))
    packed(folder, tmp_path / 'out')


@pytest.mark.parametrize('name', ['a/b', '.a', '', '..'])
def test_names_that_are_none(folder, tmp_path, name):
    with pytest.raises(ValueError, match=f'cannot be named {name!r}'):
        pack(find_images(folder), tmp_path / 'out', name, TEN, Progress(print))


def test_a_lost_image_is_named(folder, tmp_path):
    listing = find_images(folder)
    (folder / listing.paths[3]).unlink()
    with pytest.raises(OSError, match=f'packing stopped after 0 of 12 images.*{listing.paths[3]}'):
        pack(listing, tmp_path / 'out', 'x', TEN, Progress(print))
    assert not (tmp_path / 'out').exists()
