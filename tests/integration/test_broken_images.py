"""A folder with broken and unusual images trains and names what it skipped, packed or not."""

import shutil

import numpy as np
import pytest
from PIL import Image

from . import tiny
from .processes import run_on, run_tool

BROKEN = ['class_0/cut.jpg', 'class_1/empty.jpg', 'class_2/text.jpg']


def write_unusual(folder):
    """Images of every kind that a folder of the world holds, and the broken ones."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    frames = [Image.new('P', (40, 40), color) for color in (1, 2)]
    deep = Image.fromarray(rng.integers(0, 65536, (40, 40)).astype(np.uint16))
    for name, image, options in (
        ('gray.jpg', photo.convert('L'), {}),
        ('palette.png', photo.convert('P'), {}),
        ('rgba.png', photo.convert('RGBA'), {}),
        ('la.png', photo.convert('LA'), {}),
        ('cmyk.jpg', photo.convert('CMYK'), {}),
        ('sixteen bits.png', deep, {}),
        ('türned.jpg', photo, {'exif': exif}),
        ('animated.gif', frames[0], {'save_all': True, 'append_images': frames[1:]}),
        ('one pixel wide.png', photo.resize((1, 30)), {}),
        ('photo.webp', photo, {}),
        ('photo.tiff', photo, {}),
        ('two\nlines.jpg', photo, {}),
    ):
        image.save(folder / 'class_0' / name, **options)
    photo.save(folder / BROKEN[0])
    content = (folder / BROKEN[0]).read_bytes()
    (folder / BROKEN[0]).write_bytes(content[: len(content) // 2])
    (folder / BROKEN[1]).touch()
    (folder / BROKEN[2]).write_text('<html>not found</html>')
    return folder


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_unusual(tiny.write_images(tmp_path_factory.mktemp('unusual'), images=12))


def skipped(work_dir):
    """The lines of bad_images.txt, from the class on."""
    lines = (work_dir / 'bad_images.txt').read_text().splitlines()
    return ['/'.join(line.split('/')[-2:]) for line in lines]


def test_files_and_shards_train_and_name_what_they_skip(config, folder, tmp_path):
    shutil.copytree(folder, tmp_path / 'photos')
    end = run_tool('pack_shards.py', 'photos', 'shards', '--shard-size', '10', cwd=tmp_path)
    assert end.status == 0, end.err
    assert '27 images in 3 shards' in end.out
    assert 'python tools/train.py CONFIG --data shards' in end.out
    losses = {}
    for data, workers in (('photos', 0), ('shards', 2)):
        work = tmp_path / f'{data}_run'
        options = [f'train_dataloader.num_workers={workers}']
        arguments = ('--data', data, '--work-dir', work, '--cfg-options', *options)
        end = run_tool('train.py', config, *arguments, cwd=tmp_path)
        assert end.status == 0, end.err
        assert skipped(work) == BROKEN
        training = end.out.partition('Saving checkpoint at 3 epochs')[
            0
        ]  # k-NN has data sets of its own
        for name in BROKEN:
            assert training.count(f'{name}: ') == 1  # with the reason
        assert training.count('the next image takes its place') == len(BROKEN)
        assert training.count('3 of 27 images could not be read and were replaced, named in') == 1
        losses[data] = tiny.logged(work), tiny.logged(work, 'knn/top1_k5')
    assert losses['photos'] == losses['shards']
    assert len(losses['photos'][0]) == 9 and len(losses['photos'][1]) == 1


def test_two_processes_name_them_together(config, folder, tmp_path):
    work = tmp_path / 'work'
    options = ['train_dataloader.batch_size=4', 'train_cfg.max_epochs=2']
    arguments = ('--data', folder, '--no-validate', '--work-dir', work, '--cfg-options', *options)
    for end in run_on(2, 'train.py', config, *arguments, cwd=tmp_path):
        assert end.status == 0, end.err
    assert skipped(work) == BROKEN
