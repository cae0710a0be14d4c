import sys
from types import ModuleType

import pytest

from dinomm.detection.placeholders import replace_placeholders, stands_for

pytest.importorskip('mmdet')


def batched_nms(*args):
    raise RuntimeError('batched_nms requires mmcv to be compiled with ops. Please reinstall it.')


def unknown(*args):
    raise RuntimeError('unknown requires mmcv to be compiled with ops. Please reinstall it.')


def sigmoid_focal_loss(pred):
    """A function of mmdet's own that has the name of an operator."""
    return pred


class SumCell:
    def __init__(self, *args):
        raise RuntimeError('SumCell requires mmcv to be compiled with ops. Please reinstall it.')


class RoIAlign:
    pass


VALUES = {
    'nms': batched_nms,
    'SumCell': SumCell,
    'unknown': unknown,
    'sigmoid_focal_loss': sigmoid_focal_loss,
    'RoIAlign': RoIAlign,
    'nothing': None,
    'number': 3,
}


def test_only_placeholders_of_mmdet_are_replaced(monkeypatch):
    from mmcv.ops import batched_nms as operator
    from mmcv.ops.merge_cells import SumCell as Cell

    inside, outside = ModuleType('mmdet.early'), ModuleType('mmdetection.early')
    for module in (inside, outside):
        vars(module).update(VALUES)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    replace_placeholders()
    assert {key: vars(outside)[key] for key in VALUES} == VALUES
    replaced = {key for key, value in VALUES.items() if vars(inside)[key] is not value}
    assert replaced == {'nms', 'SumCell'}
    assert inside.nms is operator
    assert inside.SumCell is Cell


def test_name_in_the_message():
    assert stands_for(batched_nms) == 'batched_nms'
    assert stands_for(SumCell) == 'SumCell'
    assert stands_for(sigmoid_focal_loss) is None
    assert stands_for(int) is None
