"""When the stand-ins take part: each case in a process of its own, where mmcv is not imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dinomm.detection  # noqa: F401
from dinomm.detection.operators import has_compiled_operators

pytest.importorskip('mmdet')

ROOT = Path(__file__).resolve().parents[2]
without_compiled = pytest.mark.skipif(
    has_compiled_operators(), reason='mmcv has compiled operators here'
)


def run(code, *arguments, **environment):
    result = subprocess.run(
        [sys.executable, '-c', code, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result


def test_importing_it_loads_nothing_heavy():
    code = (
        'import sys, dinomm.detection; '
        'print(sorted({"torch", "numpy", "mmcv", "mmengine", "mmdet"} & set(sys.modules)))'
    )
    assert run(code).stdout.strip() == '[]'


@without_compiled
@pytest.mark.slow
def test_one_warning_when_mmcvs_operators_are_imported():
    code = (
        'import dinomm.detection, importlib\n'
        'from dinomm.detection.operators import provide_operators\n'
        'provide_operators(), importlib.reload(dinomm.detection)\n'
        'print(*[f for f in __import__("sys").meta_path if "StandIn" in type(f).__name__])\n'
        'import mmcv.ops'
    )
    result = run(code)
    assert result.stdout.count('StandInFinder') == 1
    assert result.stderr.count('mmcv has no compiled operators here') == 1
    assert 'nms, softnms, roi_align, sigmoid_focal_loss, ms_deform_attn' in result.stderr


@without_compiled
def test_further_ranks_say_nothing():
    assert run('import dinomm.detection, mmcv._ext', RANK='1').stderr == ''


@without_compiled
def test_data_workers_say_nothing():
    code = (
        'import multiprocessing, dinomm.detection, warnings\n'
        'if __name__ == "__main__":\n'
        '    context = multiprocessing.get_context("fork")\n'
        '    worker = context.Process(target=__import__, args=("mmcv._ext",))\n'
        '    worker.start(); worker.join(); print(worker.exitcode)'
    )
    result = run(code)
    assert result.stdout.strip() == '0'
    assert 'no compiled operators' not in result.stderr


def test_compiled_operators_are_not_replaced(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    (package / '_ext.py').write_text('compiled = True')
    code = (
        'import dinomm.detection.operators as o; import mmcv._ext as e; '
        'print(e.compiled, o.has_compiled_operators(), e.__file__)'
    )
    result = run(code, PYTHONPATH=str(tmp_path))
    assert result.stdout.split() == ['True', 'True', str(package / '_ext.py')]
    assert result.stderr == ''


def test_compiled_operators_that_do_not_load_are_not_replaced(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    (package / '_ext.py').write_text('raise ImportError("undefined symbol")')
    code = (
        'import dinomm.detection\n'
        'try:\n    import mmcv._ext\nexcept ImportError as error:\n    print(error)'
    )
    assert run(code, PYTHONPATH=str(tmp_path)).stdout.strip() == 'undefined symbol'


def test_without_mmcv_there_is_nothing_to_provide(tmp_path):
    code = (
        'import sys; sys.path[:] = [p for p in sys.path if "site-packages" not in p]\n'
        'import dinomm.detection.operators as o; print(o.has_compiled_operators())\n'
        'try:\n    import mmcv._ext\nexcept ModuleNotFoundError as error:\n    print(error)'
    )
    assert run(code).stdout.split('\n')[:2] == ['False', "No module named 'mmcv'"]


@without_compiled
def test_any_other_operator_says_its_name_and_what_to_do():
    from mmcv.ops import RoIPool

    with pytest.raises(NotImplementedError, match='install an mmcv that was compiled') as error:
        RoIPool(2)(torch.zeros(1, 1, 8, 8), torch.zeros(1, 5))
    assert str(error.value).startswith('The operator roi_pool_forward has no stand-in')


@without_compiled
def test_report_of_the_environment():
    from mmcv.utils import collect_env

    assert collect_env()['MMCV Compiler'] == 'none'
    assert collect_env()['MMCV CUDA Compiler'] == 'none'


@without_compiled
@pytest.mark.slow
def test_config_that_comes_after_mmdets_models_failed_to_import(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("custom_imports = dict(imports=['dinomm.detection'])")
    code = (
        # without it mmdet alone cannot be imported beside transformers 5
        'import mmpretrain.utils.dependency as switch; switch.WITH_MULTIMODAL = False\n'
        'import sys\n'
        'try:\n    import mmdet.models\nexcept ImportError as error:\n    print(error)\n'
        'from mmengine.config import Config\n'
        'Config.fromfile(sys.argv[1])\n'
        'import mmdet.models\n'
        'from mmdet.models.dense_heads import rpn_head\n'
        'from mmdet.models.losses import focal_loss\n'
        'from mmdet.structures.mask import structures\n'
        'print(rpn_head.batched_nms.__module__, structures.roi_align.__self__.__module__)\n'
        'print(focal_loss.sigmoid_focal_loss.__module__)'
    )
    assert run(code, str(config)).stdout.split()[-3:] == [
        'mmcv.ops.nms',
        'mmcv.ops.roi_align',
        'mmdet.models.losses.focal_loss',
    ]


def module_run(*arguments):
    return subprocess.run(
        [sys.executable, '-m', 'dinomm.detection', *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_scripts_of_mmdet(tmp_path):
    script = tmp_path / 'tools/test.py'
    script.parent.mkdir()
    (script.parent / 'beside.py').write_text('name = "beside"')
    script.write_text('import sys, beside, mmcv._ext\nprint(__name__, sys.argv[1:], beside.name)')
    result = module_run(str(script), 'config.py', '--work-dir', 'x')
    assert result.stdout.splitlines()[-1] == "__main__ ['config.py', '--work-dir', 'x'] beside"


def test_script_that_does_not_exist():
    result = module_run('no/such.py')
    assert result.returncode == 1
    assert result.stderr == (
        'error: no/such.py does not exist: name a script of mmdet, such as tools/test.py\n'
    )
    assert 'python -m dinomm.detection' in module_run().stderr
