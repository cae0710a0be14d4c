import os
from types import SimpleNamespace

import pytest
from mmengine.hooks import LoggerHook

from dinomm.datasets import ImageFiles
from dinomm.datasets.bad_images import TooManyBadImagesError
from dinomm.engine.hooks import BadImagesHook, bad_images_hook
from tests.datasets import picture_kinds


@pytest.fixture
def folder(tmp_path):
    """Ten good images, 0.png to 9.png."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for i in range(10):
        (folder / f'{i}.png').write_bytes(picture_kinds.encoded(picture_kinds.photo(i), 'PNG'))
    return folder


@pytest.fixture
def work(tmp_path):
    (tmp_path / 'work').mkdir()
    return tmp_path / 'work'


def started(folder, work, checkpoint=None, **options):
    """A hook and a Runner as they stand before the first step."""
    lines = []
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=ImageFiles(folder, **options)),
        work_dir=str(work),
        logger=SimpleNamespace(warning=lines.append, info=lines.append),
        hooks=[LoggerHook(interval=2)],
        iter=0,
        lines=lines,
        _resume=checkpoint is not None,
    )
    hook = BadImagesHook()
    hook.before_run(runner)
    if checkpoint is not None:
        hook.after_load_checkpoint(runner, checkpoint)
    hook.before_train(runner)
    return hook, runner


def stored(hook, runner):
    checkpoint = {}
    hook.before_save_checkpoint(runner, checkpoint)
    return checkpoint


def test_the_list_grows_with_what_is_found(folder, work):
    hook, runner = started(folder, work)
    dataset, file = runner.train_dataloader.dataset, work / 'bad_images.txt'
    written = []
    for found in ([], [3], [3], [1, 3, 9]):
        dataset.mark_bad(found)
        hook.after_train_epoch(runner)
        written.append(file.read_text() if file.exists() else None)
    names = [''.join(f'{folder}/{i}.png\n' for i in rows) for rows in ([3], [1, 3, 9])]
    assert written == [None, names[0], *names]
    says = 'of 10 images could not be read and were replaced, named in'
    assert runner.lines == [f'{count} {says} {file}' for count in (1, 3)]
    assert os.listdir(work) == ['bad_images.txt']


def test_names_that_no_line_can_hold(folder, work):
    (folder / os.fsdecode(b'a\xff\n.jpg')).write_bytes(b'')
    hook, runner = started(folder, work)
    runner.train_dataloader.dataset.mark_bad([10])
    hook.after_train_epoch(runner)
    line = os.fsencode(folder) + b'/a\xff\\n.jpg\n'
    assert (work / 'bad_images.txt').read_bytes() == line


def test_a_list_of_an_earlier_run_goes(folder, work):
    (work / 'bad_images.txt').write_text('old.jpg\n')
    started(folder, work)
    assert not os.listdir(work)


def test_processes_join_what_they_found_at_the_logging_interval(folder, work, monkeypatch):
    hook, runner = started(folder, work)
    dataset = runner.train_dataloader.dataset
    dataset.mark_bad([1])
    monkeypatch.setattr(bad_images_hook, 'all_gather_object', lambda mine: [mine, [1, 4]])
    hook.after_train_iter(runner, 0)
    assert dataset.bad_indices() == [1]
    monkeypatch.setattr(bad_images_hook, 'is_main_process', lambda: False)
    hook.after_train_iter(runner, 1)
    assert dataset.bad_indices() == [1, 4] and not os.listdir(work)
    monkeypatch.setattr(bad_images_hook, 'is_main_process', lambda: True)
    dataset.mark_bad([5])
    hook.after_train_iter(runner, 3)
    names = ''.join(f'{folder}/{i}.png\n' for i in (1, 4, 5))
    assert (work / 'bad_images.txt').read_text() == names


def test_together_they_find_too_many(folder, work, monkeypatch):
    hook, runner = started(folder, work, max_bad_images=2)
    monkeypatch.setattr(bad_images_hook, 'all_gather_object', lambda mine: [mine, [4, 6]])
    saved = []
    monkeypatch.setattr(bad_images_hook, 'save_now', lambda _, at: saved.append(at) or 'x.pth')
    hook.after_train_iter(runner, 1)
    runner.train_dataloader.dataset.mark_bad([0])
    runner.iter = 3
    says = r'3 of 10 .*0\.png.*max_bad_images \(2\).* at iteration 4, checkpoint x\.pth; go on with'
    with pytest.raises(TooManyBadImagesError, match=says):
        hook.after_train_iter(runner, 3)
    assert saved == [4]


def test_resumes_what_is_known(folder, work):
    for i in (2, 5):
        (folder / f'{i}.png').write_bytes(b'')
    hook, runner = started(folder, work)
    runner.train_dataloader.dataset.mark_bad([2, 5])
    hook.after_train_epoch(runner)
    checkpoint = stored(hook, runner)
    names = (work / 'bad_images.txt').read_text()
    _, resumed = started(folder, work, checkpoint)
    assert resumed.train_dataloader.dataset.bad_indices() == [2, 5]
    assert (work / 'bad_images.txt').read_text() == names and not resumed.lines
    with pytest.raises(TooManyBadImagesError, match='2 of 10 images'):
        started(folder, work, checkpoint, max_bad_images=1)


def test_forgets_what_was_repaired_or_is_gone(folder, work):
    (folder / '2.png').write_bytes(b'')
    hook, runner = started(folder, work)
    runner.train_dataloader.dataset.mark_bad([2, 5, 9])
    checkpoint = stored(hook, runner)
    (folder / '9.png').unlink()
    _, resumed = started(folder, work, checkpoint)
    assert resumed.train_dataloader.dataset.bad_indices() == [2]
    assert resumed.lines == [
        '2 of 3 images that could not be read before this run was resumed can be read now, or are '
        'gone'
    ]


def test_a_new_run_from_the_weights_begins_anew(folder, work):
    hook, runner = started(folder, work)
    runner.train_dataloader.dataset.mark_bad([2])
    checkpoint = stored(hook, runner)
    hook, runner = started(folder, work)
    hook.after_load_checkpoint(runner, checkpoint)
    hook.before_train(runner)
    assert runner.train_dataloader.dataset.bad_indices() == []


def test_other_data_sets_name_none(work):
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=[1, 2]), hooks=[], work_dir=str(work), iter=3
    )
    hook = BadImagesHook()
    hook.before_run(runner)
    hook.before_train(runner)
    hook.after_train_epoch(runner)
    hook.flush(runner)
    assert stored(hook, runner) == {} and not os.listdir(work)
