"""The stand-ins against numbers that mmcv's own operators gave."""

import numpy as np
import pytest

import dinomm.detection  # noqa: F401
from dinomm.detection.operators import has_compiled_operators

pytest.importorskip('mmdet')

from dinomm.detection import operator_functions

from . import reference

STORED = np.load(reference.FILE)


def stored_for(prefix):
    return {key: STORED[key] for key in STORED.files if key.startswith(prefix)}


def assert_equal(computed, stored, scale=None):
    assert computed.shape == stored.shape
    if stored.dtype.kind in 'iu':
        assert computed.tolist() == stored.tolist()
    else:
        error = np.abs(computed.numpy() - stored)
        assert (error <= 1e-5 * (np.abs(stored) if scale is None else scale)).all(), error.max()


@pytest.mark.parametrize('group', ['suppression', 'roi_align', 'focal_loss'])
def test_operators(group):
    computed = getattr(reference, f'{group}_numbers')(operator_functions)
    for key, value in computed.items():
        assert_equal(value, STORED[key], scale=max(1, np.abs(STORED[key]).max()))


def test_every_stored_number_is_compared():
    computed = reference.operator_numbers(operator_functions)
    detectors = {*stored_for('mask_rcnn/'), *stored_for('retinanet/')}
    assert set(STORED.files) == {*computed, *detectors}
    assert len(detectors) == 18


@pytest.mark.parametrize('name', ['mask_rcnn', 'retinanet'])
def test_losses_gradients_and_predictions(name):
    if name == 'retinanet' and has_compiled_operators():
        pytest.skip('the compiled focal loss needs CUDA')
    computed = reference.detector_numbers(name)
    stored = stored_for(f'{name}/')
    assert computed.keys() == stored.keys()
    norm = stored[f'{name}/gradient_norm']
    assert (norm > 0).all()
    for key, value in computed.items():
        if 'gradient' in key:
            assert_equal(value, stored[key], scale=norm)
        elif key.endswith('boxes'):
            assert_equal(value, stored[key], scale=max(reference.SIZE))
        else:
            assert_equal(value, stored[key])
