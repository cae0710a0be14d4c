import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.model import BaseDataPreprocessor, ImgDataPreprocessor
from mmpretrain.models.utils.data_preprocessor import SelfSupDataPreprocessor
from torch.utils.data import default_collate

from dinomm.datasets.transforms.raw_view import (
    END,
    OPERATIONS,
    RawView,
    images_and_steps,
    join_steps,
    pack_steps,
)

STEPS = [[('hue', 0.1), ('gray', 1)], [], [('blur', 1.5)]]
NORMALISED = dict(mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0])


@pytest.fixture
def view():
    return RawView(torch.ones(3, 3, 4, 4, dtype=torch.uint8), pack_steps(STEPS))


def names(table):
    return [[OPERATIONS[n] for n in row['operation'] if n != END] for row in table]


def test_packed_steps_keep_order_and_values():
    table = pack_steps(STEPS)
    assert table.shape == (3, 3) and (table['operation'][:, -1] == END).all()
    assert names(table) == [['hue', 'gray'], [], ['blur']]
    assert table['value'][0, 0] == 0.1 and table['value'][2, 0] == 1.5


def test_joined_tables_stand_one_below_the_other():
    joined = join_steps([pack_steps([[]]), pack_steps(STEPS), pack_steps([[('solarize', 128)]])])
    assert names(joined) == [[], ['hue', 'gray'], [], ['blur'], ['solarize']]
    assert joined['value'][4, 0] == 128


def test_a_tensor_has_no_steps(view):
    images, steps = images_and_steps(view.images)
    assert images is view.images and names(steps) == [[], [], []]
    images, steps = images_and_steps(view)
    assert images is view.images and steps is view.steps


def test_it_passes_between_processes(view):
    again = pickle.loads(pickle.dumps(view))
    assert torch.equal(again.images, view.images) and np.array_equal(again.steps, view.steps)
    assert len(again) == 3 and again.shape == (3, 3, 4, 4)


def test_its_images_are_pinned():
    images = SimpleNamespace(pin_memory=lambda: 'pinned')
    pinned = RawView(images, STEPS).pin_memory()
    assert pinned.images == 'pinned' and pinned.steps is STEPS


@pytest.mark.parametrize(
    'use',
    [
        lambda view: SelfSupDataPreprocessor(**NORMALISED)(batch(view)),
        lambda view: SelfSupDataPreprocessor(to_rgb=True)(batch(view)),
        lambda view: ImgDataPreprocessor(**NORMALISED)(batch(view)),
        lambda view: torch.nn.Conv2d(3, 3, 1)(BaseDataPreprocessor()(batch(view))['inputs'][0]),
        lambda view: torch.cat(batch(view)['inputs']),
        lambda view: torch.zeros(3) + view,
        lambda view: view.float() / 255,
        list,
        lambda view: view[0],
    ],
)
def test_whatever_takes_it_for_a_tensor_stops_with_a_sentence(view, use):
    with pytest.raises((ValueError, TypeError), match=r'MultiCropPreprocessor as model\.data_pre'):
        use(view)


def test_another_collate_function_stops(view):
    with pytest.raises(TypeError, match='RawView'):
        default_collate([{'inputs': [view]}, {'inputs': [view]}])


def batch(view):
    return {'inputs': [view, view], 'data_samples': None}
