import argparse
import hashlib

import pytest
import torch

from dinomm.commands import export
from dinomm.export import open_file, read_metadata
from dinomm.registry import MODELS
from tests.integration.processes import run_tool
from tests.integration.tiny import ROOT

from .tool import RESNET, SWIN, VIT

VIT_SMALL = str(ROOT / 'configs/dino/dino_vit-small-p16_8xb64-coslr-100e_in1k.py')
SMALL = ['--cfg-options', 'model.backbone.arch.num_layers=1']


def run(*words):
    """What ``tools/export.py CONFIG ...`` does, in this process."""
    parser = argparse.ArgumentParser()
    export.add_options(parser)
    export.run(parser.parse_args([VIT, *map(str, words), *SMALL]))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A teacher of ones and a student of zeros."""
    config = export.launch.read_config(VIT, {'model.backbone.arch.num_layers': 1})
    state = MODELS.build({**config.model.backbone, '_scope_': 'dinomm'}).state_dict()
    path = tmp_path_factory.mktemp('checkpoint') / 'epoch_1.pth'
    torch.save(
        {
            'state_dict': {f'backbone.{n}': torch.ones_like(t) for n, t in state.items()},
            'ema_state_dict': {
                f'module.backbone.{n}': torch.zeros_like(t) for n, t in state.items()
            },
        },
        path,
    )
    return path


def test_teacher_or_student(checkpoint, tmp_path):
    for options, value in (([], 1), (['--student'], 0)):
        run(checkpoint, tmp_path / 'network.pt', '--check', 0, *options)
        features = open_file(tmp_path / 'network.pt')(torch.randn(3, 3, 64, 64))
        assert float(features['view'].mean()) == pytest.approx(value)
        metadata = read_metadata(tmp_path / 'network.pt')
        assert metadata['student'] is bool(options)
    assert metadata['sha256'] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (metadata['config'], metadata['checkpoint']) == ('quickstart_photos.py', 'epoch_1.pth')
    assert (metadata['size'], metadata['grid'], metadata['patch']) == ([64, 64], [4, 4], [16, 16])


def test_a_file_for_each_size_and_a_table(tmp_path, capsys):
    out = tmp_path / 'new' / 'network.pt'
    run('untrained', out, '--size', '32', '48x64', '--check', 3, '--output', 'view')
    header, *rows, explained, speed = capsys.readouterr().out.splitlines()
    assert header.split() == [
        'file',
        'pixels',
        'MiB',
        '1',
        'image',
        '2',
        'images',
        '3',
        'images',
        'speed',
    ]
    assert [row.split()[:2] for row in rows] == [
        [str(tmp_path / 'new/network_32.pt'), '32x32'],
        [str(tmp_path / 'new/network_48x64.pt'), '48x64'],
    ]
    for row in rows:
        assert all(float(difference) < 1e-5 for difference in row.split()[3:6])
        assert float(row.split()[6]) > 0
    assert '0.0001 is allowed' in explained and 'this machine' in speed
    assert sorted(path.name for path in out.parent.iterdir()) == [
        'network_32.pt',
        'network_48x64.pt',
    ]
    assert read_metadata(out.with_name('network_48x64.pt'))['outputs'] == ['view']


@pytest.mark.parametrize(
    ('out', 'name', 'written'),
    [
        ('a.pt2', None, 'a.pt2'),
        ('vit_v1.5', None, 'vit_v1.5.onnx'),
        ('vit', 'export', 'vit.pt2'),
        ('a.pt', 'torchscript', 'a.pt'),
    ],
)
def test_format_by_ending(out, name, written):
    assert str(export.out_file(out, name)) == written


def test_file_that_differs_is_not_written(tmp_path, monkeypatch, capsys):
    (tmp_path / 'network.pt').write_text('former')
    monkeypatch.setattr('dinomm.export.check.largest_difference', lambda *_: 2e-3)
    words = ['untrained', tmp_path / 'network.pt', '--check', 1]
    with pytest.raises(ValueError, match=r'network\.pt was not written: .* by 2\.0e-03 of the la'):
        run(*words)
    assert '2.0e-03' in capsys.readouterr().out
    assert [path.read_text() for path in tmp_path.iterdir()] == ['former']
    run(*words, '--tolerance', '3e-3')
    assert read_metadata(tmp_path / 'network.pt')['width'] == 96


WRONG = {
    'size': (['untrained', 'a.pt', '--size', '0x3'], '--size 0x3: expected pixels such as 224'),
    'size of text': (['untrained', 'a.pt', '--size', 'big'], '--size big: expected pixels'),
    'check': (['untrained', 'a.pt', '--check', '-1'], '--check is -1: expected 0 or more'),
    'tolerance': (['untrained', 'a.pt', '--tolerance', '0'], '--tolerance is 0.0: expected more'),
    'format': (
        ['untrained', 'a.pt', '--format', 'onnx'],
        'OUT a.pt ends in .pt, --format onnx in .onnx: make them agree',
    ),
    'folder': (['untrained', '.'], 'OUT . is a folder: name a file in it'),
    'checkpoint': (['absent.pth', 'a.pt'], 'checkpoint absent.pth does not exist'),
}


@pytest.mark.parametrize(('words', 'sentence'), WRONG.values(), ids=WRONG)
def test_wrong_use(words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError) as error:
        run(*words)
    assert str(error.value).startswith(sentence)
    assert not list(tmp_path.iterdir())


def test_missing_package(tmp_path, monkeypatch):
    monkeypatch.setattr('dinomm.export.formats.find_spec', lambda name: None)
    with pytest.raises(ValueError, match='pip install onnx onnxscript onnxruntime'):
        run('untrained', tmp_path / 'network.onnx')
    with pytest.raises(ValueError, match=r'pip install onnx onnxscript$'):
        run('untrained', tmp_path / 'network.onnx', '--check', 0)


def test_status_of_the_tool(tmp_path):
    """Errors of the libraries in it are sentences too."""
    words = [VIT, 'untrained', 'network.pt', *SMALL]
    end = run_tool('export.py', *words, '--tolerance', '1e-30', '--dtype', 'float16', cwd=tmp_path)
    assert end.status == 1
    assert end.err.startswith('error: network.pt was not written') and 'Traceback' not in end.err
    end = run_tool('export.py', *words, cwd=tmp_path)
    assert (end.status, end.err) == (0, '')
    assert (tmp_path / 'network.pt').is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('config', 'kind'),
    [(VIT_SMALL, 'onnx'), (SWIN, 'torchscript'), (RESNET, 'export')],
    ids=['vit-onnx', 'swin-torchscript', 'resnet-export'],
)
def test_networks_of_full_size(config, kind, tmp_path):
    """Each family in one format; tests/export/test_formats.py has all pairs, small."""
    pytest.importorskip('onnxruntime')
    words = [config, 'untrained', 'network', '--format', kind, '--size', '320x256', '--check', '2']
    end = run_tool('export.py', *words, '--tolerance', '1e-5', cwd=tmp_path)
    assert (end.status, end.err) == (0, '')
    assert len(list(tmp_path.glob('network.*'))) == 1
