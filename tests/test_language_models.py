import pytest

from dinomm import language_models
from tests.test_registry import run

NEWER = """
from importlib import metadata
of = metadata.version
metadata.version = lambda name: '5.1.0' if name == 'transformers' else of(name)
"""


def test_nothing_heavy_is_imported():
    code = NEWER + (
        'from dinomm.language_models import leave_out_language_models as leave_out\n'
        'leave_out(); leave_out()\n'
        'import sys\n'
        "print('torch' in sys.modules, 'mmpretrain' in sys.modules, len(sys.meta_path))"
    )
    *nothing, finders = run(code)
    assert nothing == ['False', 'False']
    assert int(finders) == int(run('import sys; print(len(sys.meta_path))')[0]) + 1


@pytest.mark.slow
@pytest.mark.parametrize('first', ['', 'import mmpretrain.utils.dependency\n'])
def test_the_switch_is_off_whoever_comes_first(first):
    code = (
        'from dinomm.language_models import leave_out_language_models\n'
        'leave_out_language_models()\n'
        'import mmpretrain.models\n'
        'from mmpretrain.utils import dependency\n'
        'print(dependency.WITH_MULTIMODAL, dependency.require.__name__)'
    )
    assert run(NEWER + first + code)[-2:] == ['False', 'require']


@pytest.mark.parametrize('version', ['4.57.1', None])
def test_another_transformers_is_left_alone(version, monkeypatch):
    def of(name):
        if version is None:
            raise language_models.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(language_models, 'version', of)
    before = list(language_models.sys.meta_path)
    language_models.leave_out_language_models()
    assert language_models.sys.meta_path == before
