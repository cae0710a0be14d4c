"""tools/evaluate.py and tools/visualize.py from the command line."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from dinomm import launch
from dinomm.registry import MODELS

from . import tiny

CONFIG = 'configs/dino/quickstart_photos.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('evaluation')
    config = launch.read_config(str(tiny.ROOT / CONFIG))
    torch.save({'state_dict': MODELS.build(config.model).state_dict()}, folder / 'weights.pth')
    rng = np.random.default_rng(0)
    for name in ('a', 'b', 'c'):
        picture = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f'{name}.png')
    return folder


def run(tool, *args):
    command = [sys.executable, f'tools/{tool}', *map(str, args)]
    return subprocess.run(command, cwd=tiny.ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ('name', 'keys'),
    [
        ('correspondence', ['accuracy', 'distance', 'images']),
        ('attention', ['mean', 'heads', 'images']),
    ],
)
def test_figures_are_printed_and_written_beside_the_checkpoint(folder, name, keys):
    done = run('evaluate.py', name, CONFIG, folder / 'weights.pth', '--data', folder)
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / f'weights.{name}.json').read_text())
    assert list(record['figures']) == keys and record['figures']['images'] == 3
    assert [line.split()[0] for line in done.stdout.splitlines()[-4:-1]] == keys


@pytest.mark.parametrize('images', [['a.png'], ['a.png', 'b.png']])
def test_a_picture_of_one_image_or_two(folder, images):
    out = folder / f'{len(images)}.png'
    paths = [folder / image for image in images]
    done = run(
        'visualize.py', 'correspondence', CONFIG, folder / 'weights.pth', *paths, '--out', out
    )
    assert done.returncode == 0, done.stderr
    with Image.open(out) as picture:
        assert picture.size == (968, 538)


@pytest.mark.parametrize('tool', ['evaluate.py', 'visualize.py'])
def test_wrong_use_is_a_sentence(folder, tool):
    args = ['correspondence', CONFIG, folder / 'none.pth', folder / 'a.png'][: 4 - ('ev' in tool)]
    done = run(tool, *args)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'none.pth does not exist' in done.stderr
