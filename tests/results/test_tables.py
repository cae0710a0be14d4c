"""Each table's real code, with runs of seconds in the place of its runs of minutes."""

import json
import sys
from pathlib import Path

import pytest

from dinomm import quickstart
from dinomm.results import dino_digits, dinov2_digits, esvit_digits
from tests.integration import tiny
from tools import results

VIEW = tiny.REGIONS.format(drop_path=0.0) + "model.pop('heads')\n"
BOTH = tiny.REGIONS.format(drop_path=0.0)


@pytest.fixture
def small_runs(tmp_path, monkeypatch):
    """Trains a tiny network for every config; the list of the configs trained, with their seeds."""
    data = tiny.write_data(tmp_path / 'data')
    trained = []

    def pretrain(config_file: Path, work_dir: Path, options: list[str]) -> quickstart.Run:
        seed = int(options[options.index('--seed') + 1])
        trained.append((config_file.stem, seed))
        extra = BOTH if 'swin' in config_file.stem else ''
        extra = VIEW if config_file.stem.endswith('-view') else extra
        config = tiny.write_config(tmp_path / config_file.name, data, extra)
        options = {
            'randomness.seed': seed,
            'test_evaluator.k': [20],
            'optim_wrapper.optimizer.lr': 0.03,  # networks that differ after a few steps
        }
        runner = tiny.train(config, work_dir, options)
        checkpoint = Path((work_dir / 'last_checkpoint').read_text().strip())
        return quickstart.Run(work_dir, runner.cfg.copy(), checkpoint)

    monkeypatch.setattr(quickstart, 'pretrain', pretrain)
    for module in (quickstart, esvit_digits, dinov2_digits):
        monkeypatch.setattr(module, 'write_digits', lambda _: data)
    return trained


def test_dino(small_runs, tmp_path):
    figures = dino_digits.make([3], tmp_path / 'work')
    (run,) = figures['runs']
    assert small_runs == [('quickstart_digits', 3)]
    assert run['gain'] == run['knn']['pretrained teacher'] - run['knn']['untrained network']
    assert run['last_loss'] < run['uniform_loss'] * 1.1
    _, row, summary = dino_digits.lines(figures)
    assert f'{run["knn"]["raw pixels"]:.1f}' in row and f'{run["gain"]:.1f}' in summary


def test_esvit(small_runs, tmp_path):
    figures = esvit_digits.make([5], tmp_path / 'work')
    (run,) = figures['runs']
    assert small_runs == [('quickstart_swin-view', 5), ('quickstart_swin', 5)]
    assert list(run['knn']) == list(run['correspondence']) == ['untrained', 'L_V', 'L_V + L_R']
    distances = [matched['distance'] for matched in run['correspondence'].values()]
    assert len(set(distances)) == 3  # of three networks
    assert all(matched['images'] == 9 for matched in run['correspondence'].values())
    lines = esvit_digits.lines(figures)
    assert len(lines) == 4 and f'{distances[2]:.1f} px' in lines[3]


def test_tool_writes_the_tables_that_are_asked_for(tmp_path, monkeypatch, capsys):
    asked = []
    made = {'runs': [{'seed': 7, 'knn': {}, 'correspondence': {}}]}
    monkeypatch.setattr(esvit_digits, 'make', lambda seeds, work: asked.append(seeds) or made)
    monkeypatch.setattr(
        sys, 'argv', ['results.py', 'esvit_digits', '--seeds', '7', '--out', str(tmp_path)]
    )
    results.main()
    assert asked == [[7]]
    assert json.loads((tmp_path / 'esvit_digits.json').read_text())['figures'] == made
    assert [file.name for file in tmp_path.iterdir()] == ['esvit_digits.json']


def test_unknown_table(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['results.py', 'esvit'])
    with pytest.raises(SystemExit):
        results.main()
    assert "there is no table 'esvit'" in capsys.readouterr().err


def test_dinov2(small_runs, tmp_path):
    figures = dinov2_digits.make([4], tmp_path / 'work')
    (run,) = figures['runs']
    names = ['quickstart_digits', 'quickstart_dinov2-published', 'quickstart_dinov2']
    assert small_runs == [(name, 4) for name in names]
    assert list(run['knn']) == ['DINO', 'DINOv2 as published', 'DINOv2, small data']
    rows = dinov2_digits.lines(figures)[2:]
    for row, knn in zip(rows, run['knn'].values(), strict=True):
        assert f'{knn["untrained"]:.1f} %' in row and row.endswith(f'{knn["teacher"]:.1f} %')
