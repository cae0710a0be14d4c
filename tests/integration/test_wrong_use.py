"""Wrong use gets one sentence that says what to do, and status 1."""

import subprocess
import sys

import pytest
import torch

from . import tiny
from .processes import run_tool

VIEWS = 'train_dataloader.dataset.pipeline.1.views'
HEAD = 'model.heads.view'


class Code:
    """Would run if a file that holds it were unpickled."""

    def __reduce__(self):
        return eval, ("open('executed', 'w')",)


@pytest.fixture(scope='module')
def folder(tmp_path_factory, data):
    """A config, a checkpoint of it, and files that are none."""
    folder = tmp_path_factory.mktemp('wrong')
    config = tiny.write_config(folder / 'tiny.py', data)
    tiny.train(config, folder / 'work', {'train_cfg.max_epochs': 2})
    whole = (folder / 'work/epoch_2.pth').read_bytes()
    (folder / 'cut.pth').write_bytes(whole[: len(whole) // 2])
    (folder / 'text.pth').write_text('hello')
    torch.save({'state_dict': {}, 'x': Code()}, folder / 'hostile.pth')
    torch.save({'state_dict': {'a.b': torch.ones(3)}}, folder / 'foreign.pth')
    torch.save({'a.b': torch.ones(3)}, folder / 'bare.pth')
    (folder / 'empty').mkdir()
    tiny.write_images(folder / 'few', images=3)
    return folder


def check(folder, tool, arguments, *says):
    end = run_tool(tool, *arguments, cwd=folder)
    # warnings of packages may stand before it
    assert end.status == 1, end.err
    assert 'Traceback' not in end.err
    sentence = end.err[end.err.index('error: ') :]
    for words in says:
        assert words in sentence
    assert not (folder / 'executed').exists()


# what stands after tools/train.py CONFIG, and what the sentence says
WITH_OPTIONS = {
    'data folder': (
        ['--data', 'nowhere'],
        '--data is nowhere, which does not exist: give a folder of images',
    ),
    'no images': (['--data', 'empty'], 'no images found in empty'),
    'few images': (
        ['--data', 'few'],
        'each process has 3 images and train_dataloader.batch_size is 8',
    ),
    'resume': (['--resume', 'nix.pth'], '--resume nix.pth: there is no such file'),
    'resume hostile': (['--resume', 'hostile.pth'], 'hostile.pth', 'eval', 'refused'),
    'resume cut': (['--resume', 'cut.pth'], 'cut.pth cannot be read, it is damaged'),
    'resume text': (['--resume', 'text.pth'], 'text.pth'),
    'resume foreign': (['--resume', 'foreign.pth'], 'holds no student', 'load_from=FILE'),
    'resume bare': (['--resume', 'bare.pth'], 'holds no student', 'load_from=FILE'),
    'slurm': (['--launcher', 'slurm'], '--launcher slurm needs CUDA GPUs', 'torchrun'),
    'pytorch': (['--launcher', 'pytorch'], 'bash tools/dist_train.sh CONFIG NUM_PROCESSES'),
    'seed': (['--seed', '-1'], 'randomness.seed is -1'),
}

# --cfg-options, and what the sentence says
WITH_CFG_OPTIONS = {
    'root': ('train_dataloader.dataset.root=nowhere', 'train_dataloader.dataset.root', '--data'),
    'scale': (f'{VIEWS}.0.scale=[0.5,2]', 'views[0].scale', 'to 1, but is [0.5, 2]'),
    'size': (f'{VIEWS}.0.size=-3', 'views[0].size', 'whole number from 1'),
    'view key': (f'{VIEWS}.2.sise=3', 'views.2.sise', "did you mean 'size'?"),
    'num_global_views': ('model.num_global_views=9', 'the data give 4 views'),
    'in_channels': (
        f'{HEAD}.in_channels=48',
        f'{HEAD}.in_channels is 48',
        f'{HEAD}.in_channels=24',
    ),
    'section': ('optim_wraper.x=3', "did you mean 'optim_wrapper'?"),
    'argument': (f'{HEAD}.num_prototype=3', "did you mean 'num_prototypes'?"),
    'type': (f'{HEAD}.type=DINOhed', f'{HEAD}.type', "did you mean 'DINOHead'?"),
    'backbone': ('model.backbone.type=SwinTransfomer', "did you mean 'SwinTransformer'?"),
    'arch': ('model.backbone.arch=deit-smal', 'model.backbone.arch', "'deit-small'"),
    'other network': (
        ['load_from=work/epoch_2.pth', f'{HEAD}.num_prototypes=64'],
        'of another network',
        'weight_v ((64, 16), (32, 16))',
    ),
    'load_from': ('load_from=nix.pth', 'checkpoint nix.pth does not exist'),
    'load_from bare': ('load_from=bare.pth', 'of another network', 'unexpected in the file: a.b'),
    'accumulation': ('optim_wrapper.accumulative_counts=0', 'accumulative_counts is 0', 'from 1'),
    'lr': ('optim_wrapper.optimizer.lr=-1', 'optim_wrapper.optimizer.lr is -1'),
    'lr word': ('optim_wrapper.optimizer.lr=fast', "optim_wrapper.optimizer.lr is 'fast'"),
    'weight decay': ('optim_wrapper.optimizer.weight_decay=-1', 'weight_decay is -1'),
    'epochs': ('train_cfg.max_epochs=0', 'train_cfg.max_epochs is 0'),
    'short run': ('train_cfg.max_epochs=1', 'param_scheduler.1 (CosineAnnealingLR) begins at'),
    'interval': ('train_cfg.val_interval=0', 'train_cfg.val_interval is 0'),
    'batch': ('train_dataloader.batch_size=0', 'train_dataloader.batch_size is 0'),
    'workers': ('train_dataloader.num_workers=-1', 'train_dataloader.num_workers is -1'),
    'freeze': ('optim_wrapper.freeze_last_layer=-1', 'optim_wrapper.freeze_last_layer is -1'),
    'prototypes': (f'{HEAD}.num_prototypes=0', 'num_prototypes is 0'),
    'temperature': (f'{HEAD}.teacher_temp=-1', 'teacher_temp is -1'),
    'momentum': ('custom_hooks.0.momentum=2', 'TeacherEMAHook.momentum is 2'),
    'clip': ('optim_wrapper.clip_grad.max_norm=-2', 'max_norm above 0'),
    'index': ('train_dataloader.dataset.pipeline.7.x=1', 'pipeline.7.x=1 does not fit'),
    'no dict': ('load_from.x=1', '--cfg-options load_from.x=1 does not fit'),
    'no teacher': ('custom_hooks=[]', 'add dict(type="TeacherEMAHook") to custom_hooks'),
}


@pytest.mark.parametrize('case', WITH_OPTIONS)
def test_options(folder, case):
    options, *says = WITH_OPTIONS[case]
    check(folder, 'train.py', ['tiny.py', '--work-dir', 'out', *options], *says)


@pytest.mark.parametrize('case', WITH_CFG_OPTIONS)
def test_cfg_options(folder, case):
    options, *says = WITH_CFG_OPTIONS[case]
    options = [options] if isinstance(options, str) else options
    check(folder, 'train.py', ['tiny.py', '--work-dir', 'out', '--cfg-options', *options], *says)


def test_base_batch_size(folder):
    options = ['tiny.py', '--auto-scale-lr', '--cfg-options', 'auto_scale_lr.base_batch_size=0']
    check(folder, 'train.py', options, 'auto_scale_lr=dict(base_batch_size=...)')


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (['nix.pth'], 'checkpoint nix.pth does not exist'),
        (['foreign.pth'], 'of another network'),
        (['hostile.pth'], 'refused'),
        (['work/epoch_2.pth', '--data', 'few/class_0'], 'images in class folders'),
        (['work/epoch_2.pth', '--cfg-options', 'test_cfg=None'], 'a config with test_cfg'),
    ],
)
def test_of_the_test_tool(folder, arguments, says):
    check(folder, 'test.py', ['tiny.py', *arguments, '--work-dir', 'out'], says)


# ---- the commonest mistakes are answered before torch is imported

ANSWER = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit as end:
    print('torch' in sys.modules, 'mmpretrain' in sys.modules, end.code)
"""


CHECKPOINT = 'work/epoch_2.pth'


@pytest.mark.parametrize(
    ('arguments', 'says', 'status'),
    [
        (['train.py', '--help'], '--cfg-options', 0),
        (['test.py', '--help'], '--cfg-options', 0),
        (['train.py', 'tinny.py'], 'config tinny.py does not exist; did you mean tiny.py?', 1),
        (['test.py', 'tinny.py', CHECKPOINT], 'did you mean tiny.py?', 1),
        (['test.py', 'tiny.py', 'nix.pth'], 'checkpoint nix.pth does not exist', 1),
        (['train.py', 'tiny.py', '--data', 'nowhere'], '--data is nowhere', 1),
        (['train.py', 'tiny.py', '--resume', 'nix.pth'], '--resume nix.pth', 1),
        (
            ['train.py', 'tiny.py', '--cfg-options', 'train_dataloader.dataset.root=x'],
            'train_dataloader.dataset.root is x',
            1,
        ),
        (['train.py', 'tiny.py', '--cfg-options', 'train_cfg.max_epochs=0'], 'max_epochs is 0', 1),
    ],
)
def test_at_once(folder, arguments, says, status):
    tool, *arguments = arguments
    command = [sys.executable, '-c', ANSWER, str(tiny.ROOT / 'tools' / tool), *arguments]
    end = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert says in end.stdout + end.stderr
    assert end.stdout.splitlines()[-1] == f'False False {status}'
    assert len(end.stderr.splitlines()) == status


def test_nearest_of_the_shipped_configs(tmp_path):
    (tmp_path / 'configs').symlink_to(tiny.ROOT / 'configs')
    end = run_tool('train.py', 'configs/dino/quickstart_digts.py', cwd=tmp_path)
    assert end.status == 1
    assert 'did you mean configs/dino/quickstart_digits.py?' in end.err
