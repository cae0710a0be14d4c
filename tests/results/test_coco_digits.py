import json

import pytest

from dinomm import quickstart
from dinomm.results import coco_digits


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Stands in for training: writes the scalars that a run would, notes what it was asked."""
    asked = []

    def pretrain(config_file, work_dir, options):
        asked.append((config_file.name, options))
        good = 'random' not in work_dir.name
        lines = [
            {'loss': 4.0, 'iter': 1},
            {'coco/bbox_mAP': 0.1, 'coco/segm_mAP': 0.1, 'step': 1},
            {'loss': 2.0, 'iter': 2},
            {'coco/bbox_mAP': 0.4 + 0.1 * good, 'coco/segm_mAP': 0.3, 'step': 2},
        ]
        (work_dir / '1/vis_data').mkdir(parents=True)
        text = '\n'.join(json.dumps(line) for line in lines)
        (work_dir / '1/vis_data/scalars.json').write_text(text)
        return quickstart.Run(work_dir, None, work_dir / 'epoch_2.pth')

    monkeypatch.setattr(quickstart, 'pretrain', pretrain)
    monkeypatch.setattr(coco_digits, 'write_digits', lambda out: out)
    monkeypatch.setattr('dinomm.detection.compose.compose_coco', lambda out: out)
    finished = tmp_path / 'quickstart_digits_seed3'
    finished.mkdir()
    (finished / 'epoch_24.pth').touch()
    return asked


def test_each_detector_starts_from_random_and_pretrained_weights(runs, tmp_path):
    figures = coco_digits.make([3], tmp_path)
    pretrained = [options[-1] for name, options in runs if 'coco' in name]
    swin = tmp_path / 'quickstart_swin_seed3/epoch_2.pth'
    assert pretrained == [
        'pretrained=None',
        f'pretrained={swin}',
        'pretrained=None',
        f'pretrained={tmp_path / "quickstart_digits_seed3/epoch_24.pth"}',
    ]
    assert [name for name, _ in runs if 'coco' not in name] == ['quickstart_swin.py']
    assert all(options[2:4] == ['--seed', '3'] for _, options in runs)
    first, second = figures['runs'][:2]
    assert (first['start'], first['bbox'], first['segm']) == ('random', 40.0, 30.0)
    assert (second['start'], second['bbox']) == ('EsViT', 50.0)
    assert (first['first_loss'], first['last_loss']) == (4.0, 2.0)


def test_lines_show_runs_and_means():
    run = dict(detector='Swin', start='random', segm=30.0, first_loss=4.0, last_loss=2.0)
    figures = {'runs': [dict(run, seed=0, bbox=40.0), dict(run, seed=1, bbox=50.0)]}
    text = coco_digits.lines(figures)
    assert len(text) == 4
    assert '4.00 -> 2.00' in text[1]
    assert text[-1].split() == ['mean', 'Swin', 'random', '45.0', '30.0']
