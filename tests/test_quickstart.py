import sys

import pytest
from PIL import Image

from dinomm import quickstart
from tests.integration import tiny

TRAIN = (
    '11/22 02:48:36 - mmengine - INFO - Epoch(train)  [1][31/62]  base_lr: 2.0000e-03 '
    'lr: 2.0000e-03  eta: 0:01:37  time: 2.5319  data_time: 0.0113  loss: 4.6519  '
    'loss_view: 4.6519  images_per_s: 20.4380  peak_gib: 0.8949'
)
VAL = (
    '11/22 02:51:36 - mmengine - INFO - Epoch(val) [1][4/4]    knn/top1_k10: 54.5000  '
    'knn/top1_k20: 52.0000  data_time: 0.1064  time: 0.3910'
)


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        (TRAIN, 'epoch [1][31/62]  loss 4.652  20 images/s  left 0:01:37'),
        (VAL, 'k-NN (k = 20) 52.0 %'),
        ('11/22 02:51:29 - mmengine - INFO - Saving checkpoint at 1 epochs', None),
    ],
)
def test_progress_of_a_log_line(line, expected):
    assert quickstart.progress_of(line) == expected


@pytest.mark.parametrize(('images', 'epochs', 'batch'), [(3, 700, 3), (40, 700, 32), (7000, 4, 32)])
def test_options_fit_the_number_of_images(tmp_path, monkeypatch, images, epochs, batch):
    class Listing:
        paths = ['x'] * images

    monkeypatch.setattr('dinomm.datasets.listing.find_images', lambda *_: Listing)
    options = quickstart.photo_options(tmp_path)
    assert f'train_cfg.max_epochs={epochs}' in options
    assert f'train_dataloader.batch_size={batch}' in options


def test_the_table_claims_no_more_than_it_shows(capsys):
    quickstart.print_table(dict(zip(quickstart.ROWS, (94.8, 53.7, 67.4), strict=True)), digits=True)
    out = capsys.readouterr().out
    assert 'gained +13.7 points' in out
    assert 'Raw pixels win' in out


def run(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, 'argv', ['quickstart', *map(str, arguments)])
    monkeypatch.setattr(quickstart, 'PHOTO_STEPS', 12)  # one step of warm-up
    quickstart.main()


@pytest.mark.slow
def test_own_labelled_folder(tmp_path, monkeypatch, capsys):
    data = tiny.write_data(tmp_path / 'data')
    run(monkeypatch, '--images', data, '--work-dir', tmp_path / 'out')
    out = capsys.readouterr().out
    for row in quickstart.ROWS:
        assert row in out
    assert Image.open(tmp_path / 'out' / 'crops.png').width > 300
    assert Image.open(tmp_path / 'out' / 'curves.png').width > 300
    (checkpoint,) = [
        line.split()[1] for line in out.splitlines() if line.startswith('  checkpoint')
    ]
    assert (tmp_path / 'out' / 'last_checkpoint').read_text() == checkpoint


@pytest.mark.slow
def test_own_folder_without_labels(tmp_path, monkeypatch, capsys):
    images = sorted(tiny.write_images(tmp_path / 'labelled', 6).rglob('*.png'))
    (tmp_path / 'data').mkdir()
    for image in images:
        image.rename(tmp_path / 'data' / image.name)
    run(monkeypatch, '--images', tmp_path / 'data', '--work-dir', tmp_path / 'out')
    out = capsys.readouterr().out
    assert 'k-NN' not in out
    assert (tmp_path / 'out' / 'curves.png').is_file()


def test_missing_folder(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match='there is no such folder'):
        run(monkeypatch, '--images', tmp_path / 'none', '--work-dir', tmp_path / 'out')
