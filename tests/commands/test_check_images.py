"""tools/check_images.py, as its users call it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dinomm.datasets import ImageFiles
from dinomm.datasets.listing import read_list
from tests.datasets import picture_kinds
from tests.integration import tiny
from tests.integration.processes import run_tool

BROKEN = ['class_0/000.png', 'class_1/004.png']


@pytest.fixture
def folder(tmp_path):
    """Nine images of three classes, two of them broken, a few unusual."""
    folder = tiny.write_images(tmp_path / 'images', images=9)
    for name in BROKEN:
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    gray = picture_kinds.photo(0, 20, 50).convert('L')
    (folder / 'class_2/gray.jpg').write_bytes(picture_kinds.encoded(gray, 'JPEG'))
    return folder


def check(folder, *arguments, cwd):
    return run_tool('check_images.py', folder, '--workers', 2, *arguments, cwd=cwd)


def test_names_counts_and_lists(folder, tmp_path):
    end = check(folder, '--output', 'a/bad.txt', '--good', 'good.txt', cwd=tmp_path)
    assert end.status == 5
    assert (
        end.err
        == 'error: 2 of 10 images cannot be read, named in a/bad.txt; training replaces them\n'
    )
    assert (tmp_path / 'a/bad.txt').read_text() == ''.join(f'{folder / name}\n' for name in BROKEN)
    assert '8 can be read, 2 cannot' in end.out and '2 truncated' in end.out
    assert f'{folder / BROKEN[0]}: ' in end.out
    assert '1 very small (a side below 32 pixels)' in end.out
    assert f'CONFIG --data good.txt --data-root {folder}' in end.out
    listing = read_list(tmp_path / 'good.txt', folder)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*.*g'))
    good = [path for path in found if path not in BROKEN]
    assert listing.paths == good
    assert listing.labels == [path.split('/')[0] for path in good]
    assert check('good.txt', '--data-root', folder, cwd=tmp_path).status == 0
    assert (tmp_path / 'bad_images.txt').read_bytes() == b''


def test_a_run_takes_the_list_of_the_good_ones(folder, tmp_path):
    assert check(folder, '--good', 'good.txt', cwd=tmp_path).status == 5
    data = ImageFiles(tmp_path / 'good.txt', data_root=folder)
    whole = ImageFiles(folder, labels='folder')
    assert data.metainfo == whole.metainfo
    kept = [i for i in range(len(whole)) if not whole.image_path(i).endswith(tuple(BROKEN))]
    assert [data.image_path(i) for i in range(len(data))] == list(map(whole.image_path, kept))
    assert data.labels.tolist() == whole.labels[kept].tolist()


def test_the_labels_of_a_list_are_kept_in_its_order(folder, tmp_path):
    names = ['class_2/gray.jpg', BROKEN[0], 'class_1/001.png']
    lines = ''.join(f'{name} {label}\n' for name, label in zip(names, (7, 0, 3), strict=True))
    (tmp_path / 'list.txt').write_text(lines)
    options = ('--data-root', folder, '--good', tmp_path / 'lists' / 'good.txt')
    assert check('list.txt', *options, cwd=tmp_path).status == 5
    written = (tmp_path / 'lists/good.txt').read_text()
    assert written == f'{names[0]} 7\n{names[2]} 3\n'


def test_what_no_list_can_hold(tmp_path):
    folder = tmp_path / 'images'
    content = picture_kinds.encoded(picture_kinds.photo(0), 'PNG')
    for name in ('big dog/a.png', 'cat/two\nlines.png', 'cat/b.png', 'cat/tab\tc.png'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    end = check(folder, '--good', 'good.txt', cwd=tmp_path)
    assert end.status == 0, end.err
    assert 'class names with spaces' in end.out and '2 paths with a line break or a tab' in end.out
    assert read_list(tmp_path / 'good.txt', folder).labels == ['0', '1']


def test_shards(folder, tmp_path):
    assert run_tool('pack_shards.py', 'images', 'shards', cwd=tmp_path).status == 0
    end = check('shards', cwd=tmp_path)
    assert end.status == 5 and '2 truncated' in end.out
    names = (tmp_path / 'bad_images.txt').read_text().splitlines()
    assert names == [f'shards/images-000000.tar/{name}' for name in BROKEN]


@pytest.mark.parametrize(
    ('arguments', 'status', 'says'),
    [
        (['nowhere'], 1, 'FOLDER is nowhere, which does not exist'),
        (['empty'], 1, 'no images found in empty'),
        (['images', '--output', 'empty'], 1, '--output is empty, a folder'),
        (['some.txt', '--output', 'some.txt'], 1, '--output would replace some.txt'),
        (['images', '--output', 'some.txt/a'], 1, 'some.txt cannot be written to'),
        (['images', '--good', 'good.csv'], 1, 'a list file that --data takes ends in .txt'),
        (['images', '--good', 'x.txt', '--output', './x.txt'], 1, 'the same file'),
        (['parts', '--good', 'good.txt'], 1, 'check parts/train and parts/val'),
        (['shards', '--good', 'good.txt'], 1, 'are in shards or at a URL'),
        (['images', '--workers', '0'], 2, 'no whole number from 1'),
        (['images', '--timeout', '-1'], 2, 'no number above 0'),
        ([], 2, 'FOLDER'),
    ],
)
def test_wrong_use(folder, tmp_path, arguments, status, says):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'some.txt').write_text('images/class_2/gray.jpg\n')
    if 'parts' in arguments:
        for part in ('train', 'val'):
            tiny.write_images(tmp_path / 'parts' / part, images=3)
    if 'shards' in arguments:
        assert run_tool('pack_shards.py', 'images', 'shards', cwd=tmp_path).status == 0
    end = run_tool('check_images.py', *arguments, cwd=tmp_path)
    assert end.status == status and says in end.err and 'Traceback' not in end.err, end.err
    assert (tmp_path / 'some.txt').read_text() == 'images/class_2/gray.jpg\n'


def test_control_c_tells_what_is_known(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    (folder / '0.png').write_bytes(b'')
    slow = picture_kinds.encoded(picture_kinds.photo(0, 3000, 3000), 'PNG', compress_level=1)
    (folder / '1.png').write_bytes(slow)
    for i in range(2, 200):
        os.link(folder / '1.png', folder / f'{i}.png')
    command = [sys.executable, str(tiny.ROOT / 'tools/check_images.py'), str(folder)]
    process = subprocess.Popen(
        [*command, '--workers', '1'],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == f'200 images in {folder}\n'
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    begin = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 5
    assert process.returncode == 130 and 'Traceback' not in err
    assert 'of 200 images' in err and 'interrupted after' in err
    assert (tmp_path / 'bad_images.txt').read_text() == f'{folder}/0.png\n'
