import pytest

from tests.test_registry import run


def test_models_come_without_mmdet():
    pytest.importorskip('mmdet')
    code = """
import sys
import dinomm.evaluation.attention, dinomm.evaluation.images, dinomm.models
print([name for name in sys.modules if name.startswith('mmdet')])
"""
    assert run(code) == ['[]']  # and no warning about operators


@pytest.mark.slow
def test_mmdet_is_left_as_it_is_where_it_came_first():
    pytest.importorskip('mmdet')
    code = 'import dinomm.detection, mmdet.models, dinomm.models; print(mmdet.models.MaskRCNN)'
    assert 'MaskRCNN' in ' '.join(run(code))


@pytest.mark.slow
def test_mmdet_can_be_imported_afterwards():
    pytest.importorskip('mmdet')
    code = 'import dinomm.detection, dinomm.models, mmdet.models; print(mmdet.models.MaskRCNN)'
    assert 'MaskRCNN' in ' '.join(run(code))
