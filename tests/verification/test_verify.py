import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dinomm.verification import CHECKS, compare, verify
from dinomm.verification.run import check_file, golden_files

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / 'tools/verify.py')


def read(file):
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays}


@pytest.fixture
def altered(golden, tmp_path):
    """Writes a golden file with some of its arrays replaced (None: left out), gives its path."""

    def write(name, **changes):
        arrays = {**read(golden / f'{name}.npz'), **changes}
        file = tmp_path / f'{name}.npz'
        np.savez(file, **{key: value for key, value in arrays.items() if value is not None})
        return file

    return write


@pytest.fixture
def passes(altered):
    def run(name, **changes):
        return all(result.passed for result in check_file(altered(name, **changes)))

    return run


def perturbed(array, share=0.02):
    """Moves the middle entry by a share of the largest."""
    changed = np.array(array, dtype=np.float64 if array.ndim == 0 else array.dtype)
    flat = changed.reshape(-1)
    flat[flat.size // 2] += share * max(float(np.abs(array.astype(np.float64)).max()), 1.0)
    return changed.astype(array.dtype).reshape(array.shape)


FILES = (
    'dino_vit',
    'dinov2_vit',
    'dino_head',
    'dino_loss',
    'dino_trace',
    'esvit_loss',
    'esvit_swin',
    'esvit_trace',
    'schedules',
)


@pytest.mark.parametrize('name', FILES)
def test_golden_files_pass(golden, name):
    results = check_file(golden / f'{name}.npz')
    assert results
    for result in results:
        assert result.passed, result


def outputs(name):
    """The arrays of a file that are compared, and not put in."""
    expected = {
        'dino_vit': ('cls_', 'tokens_', 'attention_'),
        'dinov2_vit': [
            f'/{kind}_{size}' for kind in ('cls', 'patch') for size in ('native', 'other', 'masked')
        ],
        'dino_head': ('/y', '/grad_x', 'running_mean', 'running_var'),
        'dino_loss': ('/center_before', '/loss', '/grad_student', '/center_after', 'teacher_temps'),
        'schedules': ('lr', 'weight_decay', 'momentum'),
        'dino_trace': ('lr', 'weight_decay', 'momentum', 'teacher_temp', 'loss', 'center'),
        'esvit_swin': ('view_', 'region_', 'attention_'),
        'esvit_loss': ('/loss', '/grad_', '/center_'),
        'esvit_trace': ('loss', 'center_region', 'teacher/head_dense.mlp.0.weight'),
    }[name]
    if name == 'esvit_trace':
        return expected
    arrays = read(ROOT / f'tests/data/golden/{name}.npz')
    if name == 'dino_trace':
        ends = [key for key in arrays if key.startswith(('student/', 'teacher/'))]
        return [*expected, ends[0], ends[-1]]
    return [key for key in arrays if any(part in key for part in expected)]


@pytest.mark.parametrize(
    ('name', 'key'),
    [(name, key) for name in FILES for key in outputs(name)],
)
def test_every_expected_number_counts(golden, passes, name, key):
    assert not passes(name, **{key: perturbed(read(golden / f'{name}.npz')[key])})


@pytest.mark.parametrize(
    ('name', 'key'),
    [
        ('dino_vit', 'w/cls_token'),
        ('dino_vit', 'w/blocks.2.mlp.fc2.weight'),
        ('dino_vit', 'w/pos_embed'),
        ('dino_vit', 'x_rect'),
        ('dinov2_vit', 'mlp/mask'),
        ('dinov2_vit', 'mlp/w/mask_token'),
        ('dinov2_vit', 'swiglu/w/blocks.1.mlp.w12.weight'),
        ('dinov2_vit', 'reg/w/register_tokens'),
        ('dinov2_vit', 'reg/w/blocks.2.ls2.gamma'),
        ('dino_head', 'plain/w/mlp.2.weight'),
        ('dino_head', 'bn/w/last_layer.weight_v'),
        ('dino_loss', 'student_temp'),
        ('dino_loss', 'center_momentum'),
        ('dino_trace', 'start/head.mlp.0.weight'),
        ('dino_trace', 'clip_grad'),
        ('esvit_swin', 'w/layers.0.downsample.reduction.weight'),
        ('esvit_swin', 'w/layers.3.blocks.1.attn.relative_position_bias_table'),
        ('esvit_swin', 'w/norm.weight'),
        ('esvit_loss', 'student_temp'),
        ('esvit_loss', 'teacher_temps'),
        ('esvit_loss', 'center_momentum'),
        ('esvit_trace', 'start/head_dense.mlp.0.weight'),
    ],
)
def test_every_input_counts(golden, passes, name, key):
    assert not passes(name, **{key: perturbed(read(golden / f'{name}.npz')[key], share=0.3)})


@pytest.mark.parametrize(
    ('name', 'key'),
    [
        ('dino_vit', 'tokens_small'),
        ('dino_vit', 'w/norm.weight'),
        ('dinov2_vit', 'reg/patch_other'),
        ('dinov2_vit', 'mlp/mask'),
        ('dino_head', 'plain/y'),
        ('dino_loss', '3/loss'),
        ('schedules', 'momentum'),
        ('dino_trace', 'center'),
        ('esvit_swin', 'region_local'),
        ('esvit_loss', '3/center_region'),
    ],
)
def test_missing_and_wrongly_shaped_arrays_fail(golden, passes, name, key):
    assert not passes(name, **{key: None})
    array = read(golden / f'{name}.npz')[key]
    assert not passes(name, **{key: np.concatenate([array.reshape(-1), array.reshape(-1)])})


@pytest.mark.parametrize('key', ['0/student_feature', '0/teacher_feature'])
def test_what_regions_are_matched_by_counts(golden, passes, key):
    assert not passes('esvit_loss', **{key: read(golden / 'esvit_loss.npz')[key][::-1]})


def test_not_a_number_fails(golden, passes):
    rates = read(golden / 'schedules.npz')['lr']
    rates[3] = np.nan
    assert not passes('schedules', lr=rates)


@pytest.mark.parametrize('content', [b'', b'no zip', None])
def test_damaged_files_fail(golden, tmp_path, content):
    file = tmp_path / 'schedules.npz'
    whole = (golden / 'schedules.npz').read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    (result,) = check_file(file)
    assert not result.passed


def test_pickles_are_not_executed(tmp_path):
    np.savez(tmp_path / 'schedules.npz', lr=np.array([object()], dtype=object))
    (result,) = check_file(tmp_path / 'schedules.npz')
    assert not result.passed and 'allow_pickle' in result.quantity


def test_a_file_in_which_nothing_is_compared_fails(tmp_path):
    np.savez(tmp_path / 'dino_head.npz')
    (result,) = check_file(tmp_path / 'dino_head.npz')
    assert not result.passed


def test_unknown_names_fail_and_the_others_are_still_checked(golden, tmp_path):
    shutil.copy(golden / 'schedules.npz', tmp_path)
    shutil.copy(golden / 'schedules.npz', tmp_path / 'other.npz')
    lines = []
    assert not verify([tmp_path], lines.append)
    assert any(line.startswith('other') and 'FAIL' in line for line in lines)
    assert any(line.startswith('schedules') and line.endswith('pass') for line in lines)
    assert lines[-1] == '1 failed'


def test_directories_are_searched_through(golden, tmp_path):
    (tmp_path / 'deep/er').mkdir(parents=True)
    shutil.copy(golden / 'schedules.npz', tmp_path / 'deep/er')
    assert list(golden_files([tmp_path])) == [tmp_path / 'deep/er/schedules.npz']
    lines = []
    assert verify([tmp_path], lines.append)
    assert lines[-1] == 'all passed'


def test_every_golden_file_here_has_a_check(golden):
    assert {file.stem for file in golden.iterdir()} <= set(CHECKS)


@pytest.mark.parametrize('paths', [['nowhere'], []])
def test_nothing_to_check_is_an_error(paths, tmp_path):
    with pytest.raises(ValueError, match='give a directory of golden'):
        verify([tmp_path / path for path in paths] or [tmp_path], lambda _: None)


def test_compare_takes_the_largest_difference():
    result = compare('x', np.array([1.0, 2.5]), np.array([1.0, 2.0]), 0.1)
    assert result.error == 0.5 and not result.passed
    assert compare('x', np.array([1.0, 2.5]), np.array([1.0, 2.0]), 0.1, True).error == 0.25
    assert not compare('x', np.zeros((1, 2)), np.zeros(2), 1.0).passed


def status(monkeypatch, *paths):
    monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, paths)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(TOOL, run_name='__main__')
    return exit_.value.code


def test_exit_status_of_the_tool(monkeypatch, golden, tmp_path, capsys):
    assert status(monkeypatch, golden / 'schedules.npz') == 0
    shutil.copy(golden / 'schedules.npz', tmp_path / 'other.npz')
    assert status(monkeypatch, golden / 'schedules.npz', tmp_path) == 1
    assert 'unknown name' in capsys.readouterr().out
    assert status(monkeypatch, tmp_path / 'nowhere') == 1
    assert 'error: ' in capsys.readouterr().err


def test_the_tool_runs_from_anywhere(golden, tmp_path):
    file = golden / 'schedules.npz'
    done = subprocess.run(
        [sys.executable, TOOL, file], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 'all passed' in done.stdout
