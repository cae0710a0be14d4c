import os
from types import SimpleNamespace

import pytest

from dinomm.engine.hooks import BadImagesHook, bad_images_hook


class Data:
    def __init__(self):
        self.bad_images = []

    def __len__(self):
        return 1200


@pytest.fixture
def runner(tmp_path):
    lines = []
    return SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=Data()),
        work_dir=str(tmp_path),
        logger=SimpleNamespace(warning=lines.append),
        lines=lines,
    )


@pytest.fixture
def hook(runner):
    hook = BadImagesHook()
    hook.before_run(runner)
    return hook


def test_the_list_grows_with_what_is_found(runner, hook, tmp_path):
    file = tmp_path / 'bad_images.txt'
    found = [[], ['x/b.jpg'], ['x/b.jpg'], [os.fsdecode(b'a\xff\n.jpg'), 'x/b.jpg', 'c ä.jpg']]
    written = []
    for runner.train_dataloader.dataset.bad_images in found:
        hook.after_train_epoch(runner)
        written.append(file.read_bytes() if file.exists() else None)
    last = b'a\xff\\n.jpg\n' + 'c ä.jpg\nx/b.jpg\n'.encode()
    assert written == [None, b'x/b.jpg\n', b'x/b.jpg\n', last]
    says = 'of 1,200 images could not be read and were replaced, named in'
    assert runner.lines == [f'{count} {says} {file}' for count in (1, 3)]
    assert os.listdir(tmp_path) == ['bad_images.txt']


def test_a_list_of_an_earlier_run_goes(runner, hook, tmp_path):
    (tmp_path / 'bad_images.txt').write_text('old.jpg\n')
    hook.after_train_epoch(runner)
    assert not os.listdir(tmp_path) and not runner.lines


def test_the_main_process_joins_what_all_found(runner, hook, tmp_path, monkeypatch):
    runner.train_dataloader.dataset.bad_images = ['b.jpg', 'a.jpg']
    monkeypatch.setattr(bad_images_hook, 'all_gather_object', lambda mine: [mine, ['c', 'b.jpg']])
    monkeypatch.setattr(bad_images_hook, 'is_main_process', lambda: False)
    hook.after_train_epoch(runner)
    assert not os.listdir(tmp_path)
    monkeypatch.setattr(bad_images_hook, 'is_main_process', lambda: True)
    hook.after_train_epoch(runner)
    assert (tmp_path / 'bad_images.txt').read_text() == 'a.jpg\nb.jpg\nc\n'


def test_other_data_sets_name_none(runner, hook, tmp_path):
    runner.train_dataloader.dataset = [1, 2]
    hook.after_train_epoch(runner)
    assert not os.listdir(tmp_path) and not runner.lines
