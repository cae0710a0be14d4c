import pytest

from dinomm.data_paths import expand_braces, is_compressed_shard, is_shard, is_url, require_root


@pytest.mark.parametrize(
    ('pattern', 'names'),
    [
        ('a-{08..11}.tar', ['a-08.tar', 'a-09.tar', 'a-10.tar', 'a-11.tar']),
        ('{9..11}', ['9', '10', '11']),
        ('{0..1}/{x,y}.tar', ['0/x.tar', '0/y.tar', '1/x.tar', '1/y.tar']),
        ('plain.tar', ['plain.tar']),
    ],
)
def test_braces(pattern, names):
    assert expand_braces(pattern) == names


@pytest.mark.parametrize(
    ('root', 'expected'),
    [
        ('s3://bucket/a', True),
        ('simplecache::https://host/a', True),
        ('/data/a', False),
        ('C:/data', False),
        ('a:b/c.tar', False),
    ],
)
def test_urls(root, expected):
    assert is_url(root) == expected


def test_shards_by_name():
    assert is_shard('a.TAR') and is_shard('https://host/a.tar?key=1.x')
    assert not is_shard('a.tar.gz') and not is_shard('a.tar?x')
    assert is_compressed_shard('a.tgz') and is_compressed_shard('https://host/a.tar.GZ?key=1')


def test_a_root_must_exist(tmp_path):
    (tmp_path / 'a-1.tar').touch()
    for root in (tmp_path, str(tmp_path / 'a-{1..1}.tar'), 's3://bucket/a'):
        require_root(root, 'x')
    with pytest.raises(ValueError, match=r'^--data is .*b, which does not exist: give a folder'):
        require_root(tmp_path / 'b', '--data')
    with pytest.raises(
        ValueError, match=r'2 of its 3 shards do not exist, the first is .*a-2\.tar'
    ):
        require_root(tmp_path / 'a-{1..3}.tar', '--data')
