"""Options of a run: precision, seeds, validation, one's own data, log."""

import shutil

import pytest
import torch

from dinomm import data_config, launch
from dinomm.learning_rate import scale_lr

from . import tiny
from .processes import run_tool

RANDOM = {'model.backbone.drop_path_rate': 0.3}


# ---- precision


def test_bfloat16_trains_near_float32_and_resumes(config, tmp_path):
    tiny.train(config, tmp_path / 'float32', tiny.COMPARED)
    options = tiny.as_arguments(tiny.COMPARED)
    work = ('--work-dir', tmp_path / 'amp', '--amp')
    end = run_tool('train.py', config, *work, '--cfg-options', *options, cwd=tmp_path)
    assert end.status == 0, end.err
    losses = tiny.logged(tmp_path / 'amp')
    expected = tiny.logged(tmp_path / 'float32')
    assert 1e-6 < tiny.relative_error(losses, expected) < 0.05

    (tmp_path / 'resumed').mkdir()
    shutil.copy(tmp_path / 'amp/epoch_2.pth', tmp_path / 'resumed')
    work = ('--work-dir', tmp_path / 'resumed', '--amp', '--resume')
    checkpoint = tmp_path / 'resumed/epoch_2.pth'
    end = run_tool('train.py', config, *work, checkpoint, '--cfg-options', *options, cwd=tmp_path)
    assert end.status == 0, end.err
    assert tiny.logged(tmp_path / 'resumed') == losses[8:]


# ---- seeds


@pytest.mark.parametrize('options', [RANDOM, {}], ids=['drop-path', 'views'])
def test_seeds(config, tmp_path, options):
    seeds = {'one': 3, 'again': 3, 'other': 4}
    for name, seed in seeds.items():
        torch.manual_seed(seed + len(name))  # what was drawn before must not matter
        tiny.train(config, tmp_path / name, {**options, 'randomness.seed': seed})
    one, again, other = (tiny.logged(tmp_path / name) for name in seeds)
    assert one == again
    assert not set(one) & set(other)


def test_drop_path_has_an_effect(config, tmp_path):
    for name, options in (('with', RANDOM), ('without', {})):
        tiny.train(config, tmp_path / name, options)
    assert tiny.logged(tmp_path / 'with')[0] != tiny.logged(tmp_path / 'without')[0]


def test_validation_does_not_change_training(config, tmp_path):
    with_validation = {**RANDOM, 'train_cfg.val_interval': 1}
    tiny.train(config, tmp_path / 'validated', with_validation)
    without = launch.read_config(str(config), with_validation)
    data_config.drop_validation(without)
    launch.set_work_dir(without, str(config), str(tmp_path / 'not'))
    without.experiment_name = 'not validated'
    launch.build_runner(without).train()
    assert len(tiny.logged(tmp_path / 'validated', 'knn/top1_k5')) == 3
    assert not tiny.logged(tmp_path / 'not', 'knn/top1_k5')
    assert tiny.logged(tmp_path / 'validated') == tiny.logged(tmp_path / 'not')
    checkpoints = [tiny.last_checkpoint(tmp_path / name) for name in ('validated', 'not')]
    tiny.assert_identical(*map(tiny.student_and_teacher, checkpoints))


# ---- evaluation


def test_test_tool_repeats_the_validation(tmp_path, data):
    noisy = tiny.write_images(tmp_path / 'noisy', images=24, noise=800)
    val = tiny.write_images(tmp_path / 'noisy_val', images=27, noise=800)
    roots = {
        'val_cfg.support_dataloader.dataset.root': noisy,
        'test_cfg.support_dataloader.dataset.root': noisy,
        'val_dataloader.dataset.root': val,
        'test_dataloader.dataset.root': val,
    }
    config = tiny.write_config(tmp_path / 'tiny.py', data)
    options = {key: str(root) for key, root in roots.items()}
    tiny.train(config, tmp_path / 'train', {**options, 'train_cfg.val_interval': 1})
    for epoch in (1, 3):
        end = run_tool(
            'test.py',
            config,
            tmp_path / f'train/epoch_{epoch}.pth',
            '--work-dir',
            tmp_path / f'test{epoch}',
            '--cfg-options',
            *tiny.as_arguments(options),
            cwd=tmp_path,
        )
        assert end.status == 0, end.err
        for key in ('knn/top1_k5', 'knn/top1_k10'):
            validated = tiny.logged(tmp_path / 'train', key)[epoch - 1]
            (line,) = [
                line for line in end.out.splitlines() if 'Epoch(test)' in line and key in line
            ]
            assert 0 < validated < 100
            assert f'{key}: {validated:.4f}' in line


# ---- one's own data


@pytest.mark.parametrize(
    ('layout', 'validated'),
    [('train-and-val', True), ('classes', True), ('flat', False), ('nested', False)],
)
def test_own_data(config, tmp_path, layout, validated):
    root = tmp_path / 'own'
    source = tiny.write_images(tmp_path / 'source')
    files = sorted(source.rglob('*.png'))
    if layout == 'train-and-val':
        shutil.copytree(source, root / 'train')
        tiny.write_images(root / 'val', images=6)
    elif layout == 'classes':
        shutil.copytree(source, root)
    else:
        for i, path in enumerate(files):
            name = f'{i}.png' if layout == 'flat' else f'all/{i % 2}/{i}.png'
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / name)
    end = run_tool(
        'train.py', config, '--data', root, '--work-dir', tmp_path / 'work', cwd=tmp_path
    )
    assert end.status == 0, end.err
    assert len(tiny.logged(tmp_path / 'work')) == 3 * tiny.IMAGES // tiny.BATCH
    assert bool(tiny.logged(tmp_path / 'work', 'knn/top1_k5')) == validated


# ---- rates and logs


def test_auto_scale_lr(config, tmp_path):
    cfg = launch.read_config(str(config), {'optim_wrapper.accumulative_counts': 3})
    base = cfg.optim_wrapper.optimizer.lr
    scale_lr(cfg, num_processes=5)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(base * 3 * 5)

    end = run_tool(
        'train.py',
        config,
        '--auto-scale-lr',
        '--work-dir',
        tmp_path / 'work',
        '--cfg-options',
        'auto_scale_lr.base_batch_size=64',
        'optim_wrapper.accumulative_counts=2',
        'train_cfg.max_epochs=2',
        cwd=tmp_path,
    )
    assert end.status == 0, end.err
    # warm-up ends at the peak, after an epoch of two steps
    peak = max(tiny.logged(tmp_path / 'work', 'lr'))
    assert peak == pytest.approx(base * tiny.BATCH * 2 / 64)


def test_tensorboard(config, tmp_path):
    pytest.importorskip('tensorboard')
    backends = [{'type': 'LocalVisBackend'}, {'type': 'TensorboardVisBackend'}]
    options = {'train_cfg.max_epochs': 2, 'visualizer.vis_backends': backends}
    tiny.train(config, tmp_path, options).visualizer.close()
    events = list(tmp_path.glob('*/vis_data/events.out.tfevents*'))
    assert len(events) == 1 and b'loss_view' in events[0].read_bytes()


def test_float16_on_a_cpu(config, tmp_path):
    end = run_tool('train.py', config, '--amp', 'float16', cwd=tmp_path)
    assert end.status == 1
    assert end.err.splitlines()[-1].startswith('error: float16 training needs a CUDA GPU')
    assert 'Traceback' not in end.err
