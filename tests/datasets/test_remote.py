"""Images at URLs: fsspec's memory, files by URL, and a real HTTP server."""

import functools
import http.server
import os
import sys
import threading

import numpy as np
import pytest

from dinomm.datasets import ImageFiles, remote
from dinomm.datasets.index_files import SUFFIX
from dinomm.datasets.listing import find_images
from dinomm.datasets.packing import ShardSize, numbered_by_folder, pack
from dinomm.datasets.shard_index import ShardIndex, to_bytes
from dinomm.progress import Progress

from .test_shards import PIPELINE, assert_same, epochs

WRONG = ShardIndex(['a.jpg'], [''], np.array([0]), np.array([1]), '')

fsspec = pytest.importorskip('fsspec')


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, parts of files too; counts and fails as it is told."""

    requests: list[str] = []
    failures = 0
    knows_ranges = True

    def do_GET(self):
        self.requests.append(self.path)
        if type(self).failures:
            type(self).failures -= 1
            self.send_error(503)
            return
        path = self.translate_path(self.path)
        if not os.path.isfile(path):
            self.send_error(404)
            return
        with open(path, 'rb') as file:
            content = file.read()
        part = self.headers.get('Range')
        if part and self.knows_ranges:
            start, end = part.removeprefix('bytes=').split('-')
            end = min(int(end or len(content)), len(content) - 1)
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {start}-{end}/{len(content)}')
            content = content[int(start) : end + 1]
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def waits(monkeypatch, tmp_path):
    """Seconds that would have been waited for."""
    monkeypatch.setenv('DINOMM_CACHE', str(tmp_path / 'cache'))
    seconds = []
    monkeypatch.setattr(remote.time, 'sleep', seconds.append)
    return seconds


@pytest.fixture
def shards(class_folders, tmp_path_factory):
    """The class folders, packed into three shards."""
    out = tmp_path_factory.mktemp('packed') / 'shards'
    images = numbered_by_folder(find_images(class_folders))
    pack(images, out, 'x', ShardSize(5, 'images'), Progress(print))
    return out


@pytest.fixture
def memory(class_folders, shards):
    """URL of fsspec's memory, with the folder ``files`` and ``shards`` in it."""
    fs = fsspec.filesystem('memory')
    fs.put(str(class_folders / 'cat'), '/data/files/cat', recursive=True)
    fs.put(str(class_folders / 'dog'), '/data/files/dog', recursive=True)
    fs.put(str(shards), '/data/shards', recursive=True)
    yield 'memory://data'
    fs.store.clear()
    fs.pseudo_dirs[:] = ['']


@pytest.fixture
def web(shards):
    """URL of a server of the shards."""
    pytest.importorskip('aiohttp')
    handler = functools.partial(Server, directory=str(shards))
    Server.requests, Server.failures, Server.knows_ranges = [], 0, True
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        thread.join()


def samples(root, **options):
    return list(epochs(ImageFiles(root, PIPELINE, **options), 0))


@pytest.mark.parametrize('kind', ['files', 'shards', 'shards/x-{000000..000002}.tar'])
def test_memory_gives_what_the_folder_gives(class_folders, memory, kind):
    expected = samples(class_folders, labels='folder')
    assert_same(samples(f'{memory}/{kind}', labels='folder'), expected)


@pytest.mark.parametrize('protocol', ['file', 'local'])
@pytest.mark.parametrize('packed', [False, True])
def test_files_by_url_read_by_workers(class_folders, shards, protocol, packed):
    expected = samples(class_folders, part='train')
    root = f'{protocol}://{shards if packed else class_folders}'
    read = epochs(ImageFiles(root, PIPELINE, part='train'), 2)
    for one, other in zip(read, expected, strict=True):
        assert (one['inputs'][0] == other['inputs'][0]).all()


def test_a_list_of_remote_files(memory, tmp_path):
    (tmp_path / 'list.txt').write_text('cat/01.png 4\ndog/00.png 5\n')
    data = ImageFiles(tmp_path / 'list.txt', PIPELINE, data_root=f'{memory}/files')
    assert data[1]['data_samples'].img_path == f'{memory}/files/dog/00.png'
    assert data.labels.tolist() == [4, 5]
    fsspec.filesystem('memory').put(str(tmp_path / 'list.txt'), '/data/files/list.txt')
    data = ImageFiles(f'{memory}/files/list.txt', PIPELINE)
    assert data[0]['data_samples'].img_path == f'{memory}/files/cat/01.png'
    with pytest.raises(ValueError, match=r'nowhere/cat/01\.png does not exist'):
        ImageFiles(tmp_path / 'list.txt', data_root='memory://nowhere')


def test_a_missing_object_is_a_broken_image(memory):
    data = ImageFiles(f'{memory}/files', PIPELINE)
    fsspec.filesystem('memory').rm('/data/files/cat/01.png')
    assert data[0]['data_samples'].img_path == f'{memory}/files/cat/03.png'
    assert data.bad_images == [f'{memory}/files/cat/01.png']


def test_a_failing_network_is_no_broken_image(memory, monkeypatch, waits):
    data = ImageFiles(f'{memory}/files', PIPELINE)
    fs = fsspec.filesystem('memory')
    original, failures = type(fs).cat_file, iter([TimeoutError('slow'), RuntimeError('odd')])

    def cat_file(self, path, **options):
        for failure in failures:
            raise failure
        return original(self, path, **options)

    monkeypatch.setattr(type(fs), 'cat_file', cat_file)
    assert data[0]['data_samples'].img_path == f'{memory}/files/cat/01.png'
    assert waits == [0.5, 1.0]

    failures = iter([ConnectionError('down')] * 9)
    with pytest.raises(OSError, match=r'cannot read .*01\.png after 5 attempts: .*: down'):
        data[0]
    assert waits[2:] == [0.5, 1.0, 2.0, 4.0]
    assert data.bad_images == []


def test_hidden_objects_are_left_out(memory):
    fsspec.filesystem('memory').pipe('/data/files/.trash/x.png', b'x')
    assert len(ImageFiles(f'{memory}/files')) == 12


@pytest.mark.parametrize(
    ('url', 'says'),
    [
        ('memory://nothing', 'no images found in memory://nothing'),
        ('nix://a/b', 'nix://a/b cannot be read: Protocol not known: nix'),
    ],
)
def test_wrong_urls(url, says):
    with pytest.raises(ValueError, match=says):
        ImageFiles(url)


def test_without_the_package_of_a_protocol(monkeypatch):
    monkeypatch.setitem(sys.modules, 's3fs', None)
    with pytest.raises(ValueError, match=r's3://a/b cannot be read: Install s3fs'):
        ImageFiles('s3://a/b')
    monkeypatch.setitem(sys.modules, 'fsspec', None)
    with pytest.raises(ValueError, match=r'needs fsspec: pip install "dinomm\[remote\]"'):
        ImageFiles('s3://a/b')


def test_shards_on_a_web_server(web, class_folders, shards):
    expected = samples(class_folders, labels='folder')
    root = f'{web}/x-{{000000..000002}}.tar'
    assert_same(samples(root, labels='folder'), expected)
    assert sum(path.endswith(SUFFIX) for path in Server.requests) == 3  # the uploaded indexes
    assert len(Server.requests) == 3 + 2 * 12
    assert_same(epochs(ImageFiles(root, PIPELINE, labels='folder'), 2), expected)
    assert len(Server.requests) == 3 + 4 * 12  # the indexes lie in the cache now


@pytest.mark.parametrize('uploaded', ['none', 'stale'])
def test_a_remote_shard_is_indexed_without_its_index(web, class_folders, shards, uploaded):
    for path in shards.glob(f'*{SUFFIX}'):
        path.unlink()
        if uploaded == 'stale':
            path.write_bytes(to_bytes(WRONG, {'size': 1}))
    root = f'{web}/x-{{000000..000002}}.tar'
    assert_same(samples(root, labels='folder'), samples(class_folders, labels='folder'))


def test_a_changed_remote_shard_is_indexed_anew(memory, shards):
    root = f'{memory}/shards/x-000002.tar'
    assert len(ImageFiles(root)) == 2
    fs = fsspec.filesystem('memory')
    fs.rm('/data/shards/x-000002.tar.index')
    fs.put(str(shards / 'x-000000.tar'), '/data/shards/x-000002.tar')
    assert len(ImageFiles(root)) == 5


def test_a_server_that_fails_for_a_while(web, waits):
    data = ImageFiles(f'{web}/x-000000.tar', PIPELINE)
    Server.failures = 3
    data[0]
    assert waits == [0.5, 1.0, 2.0]
    Server.failures = 99
    with pytest.raises(OSError, match=r'after 5 attempts: .*503'):
        data[1]
    assert data.bad_images == []


def test_a_server_without_ranges(web):
    data = ImageFiles(f'{web}/x-000000.tar', PIPELINE)
    Server.knows_ranges = False
    with pytest.raises(OSError, match='cannot send a part of a file: download the shards'):
        data[0]


def test_a_server_out_of_reach_is_named_with_the_file():
    pytest.importorskip('aiohttp')
    with pytest.raises(FileNotFoundError, match=r'127\.0\.0\.1:9/a\.tar does not exist, or its'):
        remote.stamp('http://127.0.0.1:9/a.tar')
