import subprocess
import sys

import pytest

from tests.integration.tiny import ROOT


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_models_come_without_mmdet():
    pytest.importorskip('mmdet')
    shown = run('import dinomm.models, sys; print([n for n in sys.modules if n[:5] == "mmdet"])')
    assert shown == '[]\n'  # and no warning about operators


def test_mmdet_is_left_as_it_is_where_it_came_first():
    pytest.importorskip('mmdet')
    code = 'import dinomm.detection, mmdet.models, dinomm.models; print(mmdet.models.MaskRCNN)'
    assert 'MaskRCNN' in run(code)


def test_mmdet_can_be_imported_afterwards():
    pytest.importorskip('mmdet')
    code = 'import dinomm.detection, dinomm.models, mmdet.models; print(mmdet.models.MaskRCNN)'
    assert 'MaskRCNN' in run(code)
