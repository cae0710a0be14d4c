from pathlib import Path

import numpy as np
import pytest

from dinomm.datasets.transforms import photometric
from dinomm.models import photometric as batched
from dinomm.verification import augment, verify

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden' / 'augment.npz'


@pytest.fixture(scope='module')
def arrays():
    with np.load(GOLDEN) as file:
        return dict(file)


def part_of(arrays, *prefixes):
    return {key: value for key, value in arrays.items() if key.startswith(prefixes)}


def failures(arrays):
    return [r.quantity for r in augment.check_augment(arrays) if not r.passed]


def test_golden_file_passes():
    lines = []
    assert verify([GOLDEN], show=lines.append), '\n'.join(lines)


def test_every_output_is_compared(arrays):
    compared = {result.quantity.split(':')[0] for result in augment.check_augment(arrays)}
    outputs = [key for key in arrays if key.endswith(('/out', '/resized'))]
    entries = {key.rsplit('/', 1)[0] for key in outputs}
    coloured = {entry for entry in entries if entry.count('/') == 2}
    assert compared == entries | {f'{entry} batched' for entry in coloured}


@pytest.mark.parametrize(
    ('key', 'names'),
    [
        ('chelsea/local/resized', ['']),
        ('astronaut/global/chain1/out', ['', ' batched']),
    ],
)
def test_another_output_fails(arrays, key, names):
    entry = key.rsplit('/', 1)[0]
    wrong = dict(arrays)
    wrong[key] = 255 - arrays[key]
    assert failures(wrong) == [
        f'{entry}{name}: {quantity}'
        for name in names
        for quantity in ('mean difference', 'channel means')
    ]


def test_a_shift_of_a_channel_fails_alone(arrays):
    key = 'astronaut/global/hue/out'
    wrong = dict(arrays)
    wrong[key] = arrays[key].copy()
    wrong[key][..., 1] -= np.minimum(2, wrong[key][..., 1])
    assert failures(wrong) == [
        f'astronaut/global/hue{name}: channel means' for name in ('', ' batched')
    ]


def test_a_picture_of_another_size_fails(arrays):
    wrong = dict(arrays)
    wrong['astronaut/local/blur0/out'] = arrays['astronaut/local/blur0/out'][1:]
    assert len(failures(wrong)) == 2


@pytest.mark.parametrize(
    'key', ['note', 'chelsea/local/posterize/out', 'chelsea/local/blur0/sigma', 'other/image']
)
def test_what_is_not_understood_fails(arrays, key):
    extended = {**part_of(arrays, 'chelsea/image', 'chelsea/local'), key: np.zeros(1)}
    assert failures(extended) == [f'{key}: not understood']


def test_the_check_runs_the_code_of_the_views(arrays, monkeypatch):
    monkeypatch.setitem(photometric.LINEAR, 'contrast', lambda *_: photometric.Linear())
    failed = failures(part_of(arrays, 'astronaut/image', 'astronaut/global'))
    assert any('/contrast' in quantity for quantity in failed)
    assert any('/chain' in quantity for quantity in failed)


def test_the_check_runs_the_code_of_the_preprocessor(arrays, monkeypatch):
    linear = batched.KINDS[0]._replace(apply=lambda images, _: images)
    monkeypatch.setattr(batched, 'KINDS', (linear, *batched.KINDS[1:]))
    failed = failures(part_of(arrays, 'astronaut/image', 'astronaut/global'))
    assert all(' batched:' in quantity for quantity in failed)
    for operation in ('/brightness', '/contrast', '/saturation', '/grayscale', '/chain'):
        assert any(operation in quantity for quantity in failed)
