import contextlib
import os
import pickle
import random
import re
import resource
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.runner import CheckpointLoader, checkpoint, load_checkpoint, save_checkpoint
from torch import nn

import dinomm.registry  # noqa: F401  (registers the loader)
from dinomm.checkpoints import load_file
from dinomm.checkpoints.files import AtomicLocalBackend, load_from_http
from tests import hostile


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def state():
    return {'state_dict': {'weight': torch.randn(3, 2), 'bias': torch.randn(3)}, 'meta': {'it': 1}}


@pytest.fixture
def file(tmp_path, state):
    torch.save(state, tmp_path / 'good.pth')
    return tmp_path / 'good.pth'


def test_reads_what_was_saved(file, state, tmp_path):
    for path in (file, str(file)):
        content = load_file(path)
        assert content['meta'] == state['meta']
        assert torch.equal(content['state_dict']['weight'], state['state_dict']['weight'])


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize('read', [load_file, CheckpointLoader.load_checkpoint])
def test_code_in_a_file_is_not_executed(tmp_path, state, read, protocol, zipped):
    marker, file = tmp_path / 'executed', tmp_path / 'hostile.pth'
    torch.save(
        {**state, 'x': Hostile(marker)},
        file,
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(ValueError, match=r'hostile\.pth') as error:
        read(str(file))
    assert not marker.exists()
    if protocol == 2:
        assert 'executed as code: refused' in str(error.value)
        assert 'mkdir' in str(error.value)
    torch.load(file, weights_only=False)  # the file would have done it
    assert marker.exists()


def test_networks_of_mmengine_are_loaded_the_same_way(file, state, tmp_path):
    model = nn.Linear(2, 3)
    load_checkpoint(model, str(file), map_location='cpu', strict=True)
    assert torch.equal(model.weight, state['state_dict']['weight'])
    torch.save({'state_dict': {}, 'x': Hostile(tmp_path / 'executed')}, file)
    with pytest.raises(ValueError, match='refused'):
        load_checkpoint(model, str(file))
    assert not (tmp_path / 'executed').exists()


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('zipped', [True, False])
def test_damaged_files_are_named(tmp_path, state, zipped):
    torch.save(state, tmp_path / 'good.pth', _use_new_zipfile_serialization=zipped)
    good, file = (tmp_path / 'good.pth').read_bytes(), tmp_path / 'bad.pth'
    for length in range(0, len(good), max(1, len(good) // 50)):
        file.write_bytes(good[:length])
        with pytest.raises(ValueError, match=r'bad\.pth (cannot be read|holds)'):
            load_file(file)
    draw = random.Random(0)
    for _ in range(200):  # a flipped bit may be harmless, but never another error
        flipped = bytearray(good)
        flipped[draw.randrange(len(good))] ^= 1 << draw.randrange(8)
        file.write_bytes(flipped)
        try:
            load_file(file)
        except ValueError as error:
            assert 'bad.pth' in str(error)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(
    'content',
    [b'', b'some text', b'{"a": 1}', b'\x89PNG\r\n\x1a\n' + bytes(64), bytes(1000)],
    ids=['empty', 'text', 'json', 'picture', 'zeros'],
)
def test_other_files_are_not_called_hostile(tmp_path, content):
    (tmp_path / 'other.pth').write_bytes(content)
    with pytest.raises(ValueError, match=r'other\.pth cannot be read, it is damaged or no'):
        load_file(tmp_path / 'other.pth')


def test_missing_file_and_directory(tmp_path):
    for path in (tmp_path / 'none.pth', tmp_path):
        with pytest.raises(FileNotFoundError, match='does not exist'):
            load_file(path)


def test_a_file_of_something_else_is_an_error(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='holds a list: expected a dict'):
        load_file(tmp_path / 'list.pth')


# ---- writing


def atomic(path):
    return get_file_backend(str(path), backend_args={'backend': 'atomic'})


def test_atomic_backend_is_known_and_writes(tmp_path, state):
    assert isinstance(atomic(tmp_path), AtomicLocalBackend)
    path = tmp_path / 'new/folder/run.pth'
    save_checkpoint(state, str(path), backend_args={'backend': 'atomic'})
    assert load_file(path)['meta'] == state['meta']
    assert [p.name for p in path.parent.iterdir()] == ['run.pth']
    atomic(path).put(memoryview(b'more'), path)
    assert path.read_bytes() == b'more'


@pytest.mark.parametrize('broken', ['fsync', 'replace'])
def test_a_failure_while_writing_leaves_the_former_file(tmp_path, monkeypatch, broken):
    path = tmp_path / 'run.pth'
    atomic(path).put(b'former', path)

    def full(*_):
        raise OSError('no space left on device')

    monkeypatch.setattr(os, broken, full)
    with pytest.raises(OSError, match='no space'):
        atomic(path).put(b'new', path)
    assert path.read_bytes() == b'former'
    assert [p.name for p in tmp_path.iterdir()] == ['run.pth']


def test_the_former_file_stands_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / 'run.pth'
    atomic(path).put(b'former', path)
    seen, replace = [], os.replace

    def note(source, target):
        seen.append((path.read_bytes(), source.read_bytes()))
        replace(source, target)

    monkeypatch.setattr(os, 'replace', note)
    atomic(path).put(b'new', path)
    assert seen == [(b'former', b'new')]
    assert path.read_bytes() == b'new'


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves the folder ``www``; what is fetched is kept in another one."""
    (tmp_path / 'www').mkdir()
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    handler = partial(QuietHandler, directory=tmp_path / 'www')
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield tmp_path / 'www', f'http://127.0.0.1:{http.server_port}'
        http.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_weights_at_a_url_are_fetched_once(server, state):
    folder, url = server
    torch.save(state, folder / 'good.pth')
    for _ in range(2):
        content = CheckpointLoader.load_checkpoint(f'{url}/good.pth')
        assert torch.equal(content['state_dict']['bias'], state['state_dict']['bias'])
        (folder / 'good.pth').unlink(missing_ok=True)
    with pytest.raises(OSError, match=r'gone\.pth cannot be fetched .* name it instead'):
        CheckpointLoader.load_checkpoint(f'{url}/gone.pth')


@pytest.mark.parametrize('by_name', ['torchvision://x', 'mmcls://x', 'open-mmlab://x', ''])
def test_code_at_a_url_is_not_executed(server, monkeypatch, tmp_path, by_name):
    folder, url = server
    torch.save({'x': Hostile(tmp_path / 'executed')}, folder / 'hostile.pth')
    for models in ('get_torchvision_models', 'get_mmcls_models', 'get_external_models'):
        monkeypatch.setattr(checkpoint, models, lambda: {'x': f'{url}/hostile.pth'})
    with pytest.raises(ValueError, match=r'hostile\.pth .* refused'):
        CheckpointLoader.load_checkpoint(by_name or f'{url}/hostile.pth')
    assert not (tmp_path / 'executed').exists()


def test_no_loader_of_mmengine_reads_files_itself():
    loaders = {
        prefix: loader.__module__
        for prefix, loader in CheckpointLoader._schemes.items()
        if loader.__module__ != 'dinomm.checkpoints.files'
    }
    names = ('torchvision://', 'modelzoo://', 'mmcls://')  # these resolve a name and fetch it
    assert set(loaders) <= set(names)
    assert checkpoint.load_from_http is load_from_http
    for prefix in ('s3://b/x.pth', 'cluster:s3://b/x.pth', 'petrel://b/x.pth', 'pavi://x'):
        with pytest.raises(ValueError, match='download it and name the file'):
            CheckpointLoader.load_checkpoint(prefix)


@pytest.mark.parametrize('name', hostile.CHECKPOINTS)
@pytest.mark.parametrize('read', [load_file, CheckpointLoader.load_checkpoint])
def test_hostile_files_of_every_form_are_refused(tmp_path, name, read):
    marker = tmp_path / 'executed'
    (tmp_path / name).write_bytes(hostile.CHECKPOINTS[name](marker))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / name))) as error:
        read(str(tmp_path / name))
    assert len(str(error.value).splitlines()) == 1
    assert not marker.exists()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300 * 2**10  # KiB


@pytest.mark.parametrize(
    'name', ['zipped.pth', 'legacy.pth', 'bare.pth', 'tarred.pth', 'objects.pth']
)
def test_hostile_files_run_code_in_readers_that_trust_them(tmp_path, name):
    marker = tmp_path / 'executed'
    file = tmp_path / name
    file.write_bytes(hostile.CHECKPOINTS[name](marker))
    with contextlib.suppress(Exception):  # later, when it has happened
        if name == 'bare.pth':
            pickle.loads(file.read_bytes())
        elif name == 'objects.pth':
            np.load(file, allow_pickle=True)['state_dict']
        else:
            torch.load(file, weights_only=False)
    assert marker.exists()


def test_a_file_that_the_disk_does_not_give_is_named(tmp_path, monkeypatch):
    (tmp_path / 'a.pth').touch()

    def denied(*_, **__):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(torch, 'load', denied)
    with pytest.raises(PermissionError, match=r'checkpoint .*a\.pth cannot be read: Permission'):
        load_file(tmp_path / 'a.pth')
