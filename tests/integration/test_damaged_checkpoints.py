"""A disk that is full, a file that is cut short, nothing at all: where a run goes on."""

import re
import shutil

import pytest

from . import tiny
from .processes import run_tool
from .test_random_kills import COMPARED, by_step

SMALL_FILES = """
custom_imports = dict(imports=['tests.integration.kills'])
custom_hooks = [
    dict(type='TeacherEMAHook', momentum=0.9),
    dict(type='SmallFiles', iteration={iteration}, size=100_000),
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3, max_keep_ckpts=1))
"""


@pytest.fixture(scope='module')
def whole(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    config = tiny.write_config(folder / 'tiny.py', data, SMALL_FILES.format(iteration=-1))
    tiny.train(config, folder / 'work')
    return folder / 'work'


@pytest.fixture
def config(tmp_path, data):
    return tiny.write_config(tmp_path / 'tiny.py', data, SMALL_FILES.format(iteration=-1))


def resume(config, work, tmp_path, *arguments):
    return run_tool('train.py', config, '--work-dir', work, '--resume', *arguments, cwd=tmp_path)


def check_equals(work, whole):
    assert by_step(work) == by_step(whole)
    ends = [tiny.last_checkpoint(folder) for folder in (work, whole)]
    for part in COMPARED:
        tiny.assert_identical(*(end[part] for end in ends), part)


def test_a_full_disk_leaves_the_former_checkpoint(data, tmp_path, whole, config):
    full = tiny.write_config(tmp_path / 'full.py', data, SMALL_FILES.format(iteration=4))
    work = tmp_path / 'work'
    end = run_tool('train.py', full, '--work-dir', work, cwd=tmp_path)
    assert end.status == 1 and 'Traceback' not in end.err
    assert 'iter_6.pth' in end.err and 'cannot be written' in end.err and 'Make room' in end.err
    (log,) = work.glob('*/*.log')
    assert re.search(r'ERROR.*stopped at iteration 5: .*cannot be written', log.read_text())
    assert [path.name for path in work.glob('*.pth')] == ['iter_3.pth']
    assert tiny.last_checkpoint(work)['meta']['iter'] == 3
    assert not [*work.glob('.*partial')]
    resumed = resume(config, work, tmp_path)
    assert resumed.status == 0, resumed.err
    check_equals(work, whole)


DAMAGE = {
    'truncated': lambda content: content[: len(content) // 2],
    'empty': lambda content: b'',
    'zeros in it': lambda content: content[:5000] + bytes(4096) + content[9096:],
}


@pytest.mark.parametrize(
    'damage',
    ['truncated', *(pytest.param(d, marks=pytest.mark.slow) for d in ('empty', 'zeros in it'))],
)
def test_a_damaged_newest_checkpoint_is_left_out(damage, tmp_path, whole, config):
    work, options = tmp_path / 'work', {'default_hooks.checkpoint.max_keep_ckpts': -1}
    tiny.train(config, work, {**options, 'train_cfg.max_epochs': 3})
    for path in work.glob('iter_12.pth'):
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    (work / 'iter_9.pth').unlink()
    resumed = resume(config, work, tmp_path)
    assert resumed.status == 0, resumed.err
    assert f'{work / "iter_12.pth"}' in resumed.out and 'left out' in resumed.out
    assert 'resumed epoch: 1, iter: 6' in resumed.out
    check_equals(work, whole)


@pytest.mark.parametrize(
    'pointer',
    [
        pytest.param('', marks=pytest.mark.slow, id='empty'),
        pytest.param('/elsewhere/iter_3.pth', id='stale'),
        pytest.param(None, marks=pytest.mark.slow, id='no'),
    ],
)
def test_last_checkpoint_is_not_believed(pointer, tmp_path, whole, config):
    work = tmp_path / 'work'
    shutil.copytree(whole, work)
    (work / 'last_checkpoint').unlink()
    if pointer is not None:
        (work / 'last_checkpoint').write_text(pointer)
    resumed = resume(config, work, tmp_path)
    assert resumed.status == 0, resumed.err
    assert 'iter: 12' in resumed.out


def test_no_whole_checkpoint_is_an_error(tmp_path, config):
    (tmp_path / 'work').mkdir()
    (tmp_path / 'work/iter_3.pth').write_bytes(b'PK')
    end = resume(config, tmp_path / 'work', tmp_path)
    assert end.status == 1 and 'Traceback' not in end.err
    assert 'is whole (iter_3.pth): remove them to begin anew' in end.err


def test_nothing_to_resume_begins_a_run_with_the_weights_of_the_config(tmp_path, whole, config):
    begin = ('--cfg-options', f'load_from={whole / "iter_12.pth"}', 'train_cfg.max_epochs=2')
    end = resume(config, tmp_path / 'work', tmp_path, *begin)
    assert end.status == 0, end.err
    assert f'nothing to resume in {tmp_path / "work"}: a new run begins from {whole}' in end.out
    assert 'Load checkpoint from' in end.out and 'resumed epoch' not in end.out
    again = resume(config, tmp_path / 'work', tmp_path, *begin)
    assert again.status == 0 and 'iter: 8' in again.out


def test_a_file_that_is_not_there(tmp_path, config):
    end = resume(config, tmp_path / 'work', tmp_path, 'none.pth')
    assert end.status == 1 and '--resume none.pth: there is no such file' in end.err
