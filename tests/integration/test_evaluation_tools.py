"""tools/evaluate.py and tools/visualize.py from the command line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from dinomm import launch
from dinomm.registry import MODELS

from . import tiny
from .processes import run_tool

CONFIG = tiny.ROOT / 'configs/dino/quickstart_photos.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('evaluation')
    config = launch.read_config(str(CONFIG))
    torch.save({'state_dict': MODELS.build(config.model).state_dict()}, folder / 'weights.pth')
    rng = np.random.default_rng(0)
    for name in ('a', 'b', 'c'):
        picture = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f'{name}.png')
    return folder


@pytest.mark.parametrize(
    ('name', 'keys'),
    [
        ('correspondence', ['accuracy', 'distance', 'images']),
        ('attention', ['mean', 'heads', 'images']),
    ],
)
def test_figures_are_printed_and_written_beside_the_checkpoint(folder, name, keys, tmp_path):
    words = [name, CONFIG, folder / 'weights.pth', '--data', folder]
    done = run_tool('evaluate.py', *words, cwd=tmp_path)
    assert done.status == 0, done.err
    record = json.loads((folder / f'weights.{name}.json').read_text())
    assert list(record['figures']) == keys and record['figures']['images'] == 3
    assert [line.split()[0] for line in done.out.splitlines()[-4:-1]] == keys


@pytest.mark.parametrize('images', [['a.png'], ['a.png', 'b.png']])
def test_a_picture_of_one_image_or_two(folder, images, tmp_path):
    paths = [folder / image for image in images]
    words = ['correspondence', CONFIG, folder / 'weights.pth', *paths, '--out', 'out.png']
    done = run_tool('visualize.py', *words, cwd=tmp_path)
    assert done.status == 0, done.err
    with Image.open(tmp_path / 'out.png') as picture:
        assert picture.size == (968, 538)


@pytest.mark.parametrize('tool', ['evaluate.py', 'visualize.py'])
def test_wrong_use_is_a_sentence(folder, tool, tmp_path):
    args = ['correspondence', CONFIG, folder / 'none.pth', folder / 'a.png'][: 4 - ('ev' in tool)]
    done = run_tool(tool, *args, cwd=tmp_path)
    assert done.status == 1 and 'Traceback' not in done.err
    assert 'none.pth does not exist' in done.err
