import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(code):
    """Runs ``code`` in a fresh process, in which nothing is registered yet."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bare_names_of_three_packages_resolve_in_scope_dinomm():
    code = """
from dinomm import registry as r
from mmengine.registry import DefaultScope
DefaultScope.get_instance('test', scope_name='dinomm')
for registry, names in {
    r.MODELS: ('SelfDistillation', 'DINOHead', 'VisionTransformer', 'TIMMBackbone',
               'ImgDataPreprocessor'),
    r.HOOKS: ('TeacherEMAHook', 'PrepareProtoBeforeValLoopHook', 'CheckpointHook'),
    r.LOOPS: ('ResumableEpochLoop', 'EpochBasedTrainLoop'),
    r.OPTIMIZERS: ('LARS', 'AdamW'),
    r.OPTIM_WRAPPERS: ('DINOAmpOptimWrapper', 'AmpOptimWrapper'),
    r.OPTIM_WRAPPER_CONSTRUCTORS: ('TwoGroupConstructor', 'DefaultOptimWrapperConstructor'),
    r.PARAM_SCHEDULERS: ('LinearLR', 'CosineAnnealingWeightDecay'),
    r.VISUALIZERS: ('Visualizer',),
    r.VISBACKENDS: ('TensorboardVisBackend',),
    r.DATASETS: ('ImageFiles', 'ImageNet', 'ConcatDataset'),
    r.DATA_SAMPLERS: ('EpochSampler', 'RepeatAugSampler', 'DefaultSampler'),
    r.TRANSFORMS: ('MultiCrop', 'PackInputs', 'LoadImageFromFile'),
}.items():
    for name in names:
        found = registry.get(name)
        assert found is not None, (registry.name, name)
        print(name, found.__module__.split('.')[0])
"""
    words = run(code)
    packages = dict(zip(words[::2], words[1::2], strict=True))
    for name, package in {
        'SelfDistillation': 'dinomm',
        'VisionTransformer': 'mmpretrain',
        'ImgDataPreprocessor': 'mmengine',
        'LARS': 'dinomm',
        'AdamW': 'torch',
        'LinearLR': 'dinomm',  # counted in optimizer steps
        'CosineAnnealingWeightDecay': 'dinomm',
        'MultiCrop': 'dinomm',
        'Visualizer': 'mmengine',
    }.items():
        assert packages[name] == package


@pytest.mark.slow
def test_prefixed_names_resolve_from_the_root_and_from_a_foreign_child():
    code = """
import dinomm.registry
from mmengine.registry import HOOKS, MODELS, Registry
foreign = Registry('model', parent=MODELS, scope='foreign')
for registry in (MODELS, foreign):
    print(registry.get('dinomm.DINOVisionTransformer').__name__)
print(foreign.build({'type': 'dinomm.MeanCentering', 'num_prototypes': 3}).center.numel())
print(HOOKS.get('dinomm.TeacherEMAHook').__name__)
"""
    expected = ['DINOVisionTransformer'] * 2 + ['3', 'TeacherEMAHook']
    assert run(code) == expected


def test_importing_is_light():
    code = """
import sys
import dinomm
names = ('torch', 'mmengine', 'mmcv', 'mmpretrain', 'cv2', 'numpy')
print(dinomm.__version__, [name for name in names if name in sys.modules])
import dinomm.registry  # needed to read a config, so without the networks
print('mmpretrain.models' in sys.modules)
"""
    assert run(code)[1:] == ['[]', 'False']


@pytest.mark.parametrize('name', ['Pretrained', 'DINOVisionTransfomer'])
def test_unknown_names_are_not_found(name):
    from dinomm.registry import MODELS

    assert MODELS.get(name) is None


@pytest.mark.slow
def test_transformers_of_any_version_leave_mmpretrain_and_mmdet_usable():
    pytest.importorskip('transformers')
    pytest.importorskip('mmdet')
    run('import dinomm.registry, mmpretrain.models')
    run('import dinomm.detection, mmdet.models')
