import os

import pytest

from dinomm.datasets import index_files
from dinomm.datasets.index_files import read_indexes

from .tars import make_tar


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('DINOMM_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture
def logged(monkeypatch):
    lines = []
    monkeypatch.setattr(index_files, 'print_log', lambda line, *_: lines.append(line))
    return lines


@pytest.fixture
def made(monkeypatch):
    """Names of the shards whose headers were read."""
    shards = []
    original = index_files._make

    def make(file, size, shard, progress):
        shards.append(os.path.basename(shard))
        return original(file, size, shard, progress)

    monkeypatch.setattr(index_files, '_make', make)
    return shards


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / 'shards' / 'a.tar'
    path.parent.mkdir()
    path.write_bytes(make_tar([('1.jpg', b'11'), ('2.jpg', b'2')]))
    return path


def names(shard):
    (index,) = read_indexes([str(shard)])
    return index.names


def test_an_index_is_made_once_beside_the_shard(shard, made, logged, cache):
    assert names(shard) == names(shard) == ['1.jpg', '2.jpg']
    assert made == ['a.tar']
    assert sorted(path.name for path in shard.parent.iterdir()) == ['a.tar', 'a.tar.index']
    assert not cache.exists() and not logged


@pytest.mark.parametrize('change', ['size', 'date'])
def test_a_changed_shard_is_indexed_anew(shard, made, logged, change):
    names(shard)
    status = shard.stat()
    images = [('3.jpg', b'33')] * (60 if change == 'size' else 1)
    shard.write_bytes(make_tar(images))
    if change == 'size':
        os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        assert shard.stat().st_size == status.st_size
        os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert names(shard) == names(shard) == ['3.jpg']
    assert made == ['a.tar'] * 2
    assert len(logged) == 1 and 'a.tar has changed since' in logged[0]


def test_the_cache_stands_in_for_a_folder_that_cannot_be_written(shard, made, logged, cache):
    (shard.parent / 'a.tar.index').mkdir()  # also the superuser cannot write there
    assert names(shard) == names(shard) == ['1.jpg', '2.jpg']
    assert made == ['a.tar'] and not logged
    assert len(list(cache.rglob('*.index'))) == 1
    assert not list(shard.parent.glob('.*'))


def test_without_any_place_it_works_and_says_so(shard, made, logged, cache):
    (shard.parent / 'a.tar.index').mkdir()
    cache.touch()
    assert names(shard) == names(shard)
    assert made == ['a.tar'] * 2
    assert 'set DINOMM_CACHE' in logged[0]


def test_a_damaged_index_is_replaced(shard, made, logged):
    names(shard)
    index = shard.with_name('a.tar.index')
    index.write_bytes(index.read_bytes()[:-3])
    assert names(shard) == names(shard) == ['1.jpg', '2.jpg']
    assert made == ['a.tar'] * 2
    assert len(logged) == 1 and 'a.tar.index is ignored' in logged[0]


def test_a_cut_shard_is_named_in_every_run(shard, made, logged):
    shard.write_bytes(shard.read_bytes()[:1025])
    for _ in range(2):
        assert names(shard) == ['1.jpg']
    assert made == ['a.tar']
    assert len(logged) == 2 and logged[0] == logged[1]
    assert f'{shard}: it ends at byte 1024' in logged[0] and '1 images are used' in logged[0]


@pytest.mark.parametrize(
    ('name', 'content', 'says'),
    [
        ('a.tar', b'\x1f\x8b' + b'0' * 600, 'a.tar is compressed, .* gunzip'),
        ('a.tar', b'no' * 600, 'a.tar is no tar file .* replace or remove it'),
        ('a.tar', b'', 'a.tar is empty: replace or remove it'),
        ('a.tgz', b'', 'a.tgz is compressed'),
    ],
)
def test_what_is_no_shard(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=says):
        read_indexes([str(tmp_path / name)])


def test_progress_of_a_long_indexing(shard, logged, monkeypatch):
    monkeypatch.setattr(index_files, 'Progress', lambda tell: lambda line: tell(line()))
    names(shard)
    assert logged == [f'indexing {shard}: {i} images' for i in (1, 2)]
