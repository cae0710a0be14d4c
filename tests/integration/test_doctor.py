"""The doctor on whole runs: what it says of them, and that it leaves them alone."""

import argparse
import json
import shutil
import signal

import pytest

from dinomm import launch, run_options
from dinomm.doctor import examination
from dinomm.doctor.examination import QUICK
from dinomm.doctor.machine import GPU
from dinomm.doctor.step import StepResult

from . import tiny
from .exactness import KILLED
from .processes import run_tool

EFFORT = QUICK._replace(steps=2, step_seconds=4.0, loader_seconds=0.5)
SLEEPING = """
import time

from mmcv.transforms import BaseTransform
from mmengine.hooks import Hook

from dinomm.registry import HOOKS, TRANSFORMS


@TRANSFORMS.register_module(force=True)
class SleepingTransform(BaseTransform):
    def transform(self, results):
        time.sleep(0.05)
        return results


@HOOKS.register_module(force=True)
class SleepingHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        time.sleep(0.4)


@HOOKS.register_module(force=True)
class HungryHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if len(data_batch['inputs'][0]) > 4:
            raise MemoryError
"""
IMPORTS = "custom_imports = dict(imports=['sleeping'])\n"
SLOW_LOADER = (
    f"{IMPORTS}_base_.train_dataloader.dataset.pipeline.insert(0, dict(type='SleepingTransform'))"
)
SLOW_STEP = f"""{IMPORTS}
custom_hooks = [dict(type='TeacherEMAHook', momentum=0.9), dict(type='SleepingHook')]
"""
LONGER = {'train_cfg.max_epochs': 30, 'custom_hooks.0.momentum': 0.98}
"""Of the tiny config: a run that is not too short for its teacher."""


def arguments(config, work_dir, options=None, *more):
    parser = argparse.ArgumentParser()
    run_options.add_run_options(parser)
    words = [str(config), '--work-dir', str(work_dir), *more]
    with pytest.MonkeyPatch.context() as patch:
        options = tiny.as_arguments({**LONGER, **(options or {})})
        patch.setattr('sys.argv', ['doctor.py', *words, '--cfg-options', *options])
        return argparse.Namespace(**vars(launch.parse_args(parser)), processes=None)


def examine(args, effort):
    return examination.examine(args, run_options.resolve(args), effort)


def written(work_dir):
    record = json.loads((work_dir / 'doctor.json').read_text())
    return record['figures']


def texts(work_dir):
    return {one['subject']: one['text'] for one in written(work_dir)['findings']}


@pytest.fixture
def without_step(monkeypatch):
    """Leaves the training step out."""
    monkeypatch.setattr(examination, 'measure_step', lambda *_: StepResult(None))


@pytest.fixture
def sleeping(tmp_path, monkeypatch):
    """A module that configs import, here and in the process of the step."""
    (tmp_path / 'sleeping.py').write_text(SLEEPING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))


@pytest.mark.slow
def test_quick_config(tmp_path, data):
    config = tiny.ROOT / 'configs/dino/quickstart_photos.py'
    ended = run_tool(
        'doctor.py',
        *(config, '--data', data / 'train', '--quick', '--steps', '2', '--auto-scale-lr'),
        *('--processes', '2', '--work-dir', 'work', '--cfg-options'),
        *('train_dataloader.batch_size=8', 'train_cfg.max_epochs=400'),
        cwd=tmp_path,
    )
    assert ended.status == 0, ended.out + ended.err
    assert sorted(path.name for path in (tmp_path / 'work').iterdir()) == [
        'doctor.json',
        'doctor_crops.png',
    ]
    assert not (tmp_path / 'work_dirs').exists()
    figures = written(tmp_path / 'work')
    assert figures['plan']['effective_batch'] == 16 and figures['plan']['steps'] == 800
    rows = {name: text for rows in figures['settings'].values() for name, text in rows}
    assert rows['learning rate'].startswith('0.001 at its peak, 0.002 before --auto-scale-lr')
    assert rows['batch'] == '16 = 8 images x 1 micro-batch x 2 processes'
    assert rows['teacher momentum'] == '0.996 to 1'
    assert rows['views'] == '4 x 32 px, scale (0.1, 0.4), 4 patches of 16 px'
    step = figures['step']['figures']
    assert step['parameters']['backbone'] > 4e5 and step['validation']['classes'] == tiny.CLASSES
    assert step['first_loss'] == pytest.approx(6.93, abs=0.3)  # ln K
    cost = figures['cost']
    assert cost['train_hours'] == pytest.approx(400 * 32 / cost['images_per_s'] / 3600, rel=1e-6)
    for heading in ('Machine', 'Data', 'Network', 'Run', 'Files', 'Speed, memory, time, disk'):
        assert f'\n{heading}\n' in ended.out


@pytest.mark.slow
def test_checkpoint_is_as_large_as_a_run_writes_it(tmp_path, config):
    assert examine(arguments(config, tmp_path / 'work'), EFFORT) == 0
    tiny.train(config, tmp_path / 'run', {**LONGER, 'train_cfg.max_epochs': 2})
    size = (tmp_path / 'run/epoch_2.pth').stat().st_size
    measured = written(tmp_path / 'work')['step']['figures']['checkpoint_bytes']
    assert measured == pytest.approx(size, rel=0.1)


def test_slow_loader_is_the_bottleneck(tmp_path, data, sleeping):
    config = tiny.write_config(tmp_path / 'slow.py', data, SLOW_LOADER)
    options = {'train_dataloader.num_workers': 1}
    examine(arguments(config, tmp_path / 'work', options), EFFORT)
    figures = written(tmp_path / 'work')
    assert figures['cost']['bottleneck'] == 'loader'
    assert figures['loader']['images_per_s'] < 20
    assert 'so the device waits' in texts(tmp_path / 'work')['loader']


@pytest.mark.slow
def test_slow_step_and_full_disk(tmp_path, data, sleeping, monkeypatch):
    monkeypatch.setattr(examination, 'free_bytes', lambda folder: 10_000)
    config = tiny.write_config(tmp_path / 'slow.py', data, SLOW_STEP)
    options = {'train_dataloader.num_workers': 1}
    assert examine(arguments(config, tmp_path / 'work', options), EFFORT) == 5
    figures = written(tmp_path / 'work')
    assert figures['cost']['bottleneck'] == 'step'
    assert figures['step']['figures']['seconds'] > 0.4
    found = texts(tmp_path / 'work')
    assert 'loader' not in found and 'lower default_hooks.checkpoint.max_keep' in found['disk']


@pytest.mark.slow
def test_batch_that_fits(tmp_path, data, sleeping):
    hungry = SLOW_STEP.replace('SleepingHook', 'HungryHook')
    config = tiny.write_config(tmp_path / 'hungry.py', data, hungry)
    assert examine(arguments(config, tmp_path / 'work'), EFFORT) == 5
    step = written(tmp_path / 'work')['step']
    assert step['too_large'] == [8] and step['figures']['batch_size'] == 4


def test_failing_step(tmp_path, config):
    options = {'model.num_global_views': 9}
    assert examine(arguments(config, tmp_path / 'work', options), EFFORT) == 5
    assert 'the data give 4 views' in texts(tmp_path / 'work')['first step']


def test_all_misspellings_at_once(tmp_path, config, capsys):
    options = {
        'custom_hooks.0.momentm': 1,
        'train_dataloader.batchsize': 3,
        'train_dataloader.dataset.pipeline.1.views.0.sise': 3,
        'default_hooks.logger.interval': 0,
    }
    assert examine(arguments(config, tmp_path / 'work', options), EFFORT) == 5
    found = [one['text'] for one in written(tmp_path / 'work')['findings']]
    assert len(found) == 4
    for words in ("'momentum'?", "'batch_size'?", "'size'?", 'logger.interval is 0'):
        assert any(words in text for text in found)
    assert '4 of them would make the run fail' in capsys.readouterr().out


def test_missing_data(tmp_path, config):
    options = {'train_dataloader.dataset.root': 'nowhere'}
    assert examine(arguments(config, tmp_path / 'work', options), EFFORT) == 5
    assert 'train_dataloader.dataset.root' in texts(tmp_path / 'work')['data']


@pytest.mark.parametrize(('limit', 'status'), [(100, 0), (10, 5)])
def test_broken_images(tmp_path, config, without_step, limit, status):
    folder = tiny.write_images(tmp_path / 'images', images=60)
    broken = sorted(folder.rglob('*.png'))[::4]
    for path in broken:
        path.write_bytes(b'no image')
    options = {
        'train_dataloader.dataset.max_bad_images': limit,
        'train_dataloader.dataset.root': str(folder),
    }
    args = arguments(config, tmp_path / 'work', options)
    assert examine(args, EFFORT._replace(images=200)) == status
    sample = written(tmp_path / 'work')['images']
    assert len(sample['broken']) == 15
    assert '15 of 60 images cannot be read' in texts(tmp_path / 'work')['images']


def test_data_smaller_than_a_batch(tmp_path, config, data):
    options = {'train_dataloader.batch_size': 64}
    assert examine(arguments(config, tmp_path / 'work', options), EFFORT) == 5
    assert 'each process has 32 images, a batch 64' in texts(tmp_path / 'work')['data']


def test_more_gpus_than_processes(tmp_path, config, without_step, monkeypatch):
    found = examination.examine_machine()._replace(gpus=(GPU('A', 2**33, False),) * 2)
    monkeypatch.setattr(examination, 'examine_machine', lambda: found)
    examine(arguments(config, tmp_path / 'work', None, '--amp'), EFFORT)
    told = texts(tmp_path / 'work')
    assert '2 GPUs, 1 used: bash tools/dist_train.sh' in told['GPUs']
    assert '--amp float16' in told['precision']


def test_a_run_does_not_notice(tmp_path, data):
    """Killed, looked at and resumed is bit for bit as killed and resumed."""
    config = tiny.write_config(tmp_path / 'killed.py', data, KILLED)
    seen, alone = tmp_path / 'seen', tmp_path / 'alone'
    killed = run_tool('train.py', config, '--work-dir', seen, cwd=tmp_path)
    assert killed.status == -signal.SIGKILL
    shutil.copytree(seen, alone)
    before = files(seen)
    off = ('--cfg-options', 'custom_hooks.1.iteration=0')
    looked = run_tool(
        'doctor.py', config, '--work-dir', seen, '--resume', '--quick', *off, cwd=tmp_path
    )
    assert looked.status in (0, 5) and 'Speed, memory, time, disk' in looked.out, looked.err
    after = files(seen)
    assert {path: after.pop(path) for path in before} == before
    assert {path.name for path in after} == {'doctor.json', 'doctor_crops.png'}
    for folder in (seen, alone):
        (folder / 'last_checkpoint').write_text(str(folder / 'iter_3.pth'))
        resumed = run_tool('train.py', config, '--work-dir', folder, '--resume', *off, cwd=tmp_path)
        assert resumed.status == 0, resumed.err
    assert tiny.logged(seen) == tiny.logged(alone)
    first, second = map(tiny.last_checkpoint, (seen, alone))
    for part in ('state_dict', 'ema_state_dict', 'optimizer'):
        tiny.assert_identical(first[part], second[part], part)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize(
    ('words', 'status', 'says'),
    [
        (['nowhere.py'], 1, 'config nowhere.py does not exist'),
        (['tiny.py', '--data', 'nowhere'], 1, '--data is nowhere'),
        (['tiny.py', '--steps', '0'], 2, 'expected a whole number from 1'),
        (['tiny.py', '--processes', 'x'], 2, 'expected a whole number from 1'),
        (['tiny.py', '--cfg-options', 'custom_hooks.7.momentum=1'], 1, 'custom_hooks.7.momentum'),
    ],
)
def test_wrong_use(tmp_path, config, words, status, says):
    ended = run_tool('doctor.py', *words, cwd=tmp_path)
    assert ended.status == status and says in ended.err and 'Traceback' not in ended.err
    assert not (tmp_path / 'work_dirs').exists()


def test_config_that_trains_nothing(tmp_path, config):
    args = arguments(config, tmp_path / 'work')
    args.cfg_options['train_cfg'] = None
    del args.cfg_options['train_cfg.max_epochs']
    with pytest.raises(ValueError, match='trains nothing: it has no train_cfg'):
        examine(args, EFFORT)


def test_work_dir_that_cannot_be_written(tmp_path, config, without_step):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='choose a --work-dir'):
        examine(arguments(config, tmp_path / 'file/work'), EFFORT)
