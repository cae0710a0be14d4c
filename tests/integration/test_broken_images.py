"""A folder with broken and unusual images trains and names what it skipped, packed or not."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.datasets import picture_kinds

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


def break_images(folder, count):
    """Empties the first so many images; their paths."""
    broken = sorted(folder.rglob('*.png'))[:count]
    for path in broken:
        path.write_bytes(b'')
    return broken


def arguments(folder, work, options, *more):
    """Of tools/train.py."""
    words = ('--no-validate', '--work-dir', work, *more)
    return ('--data', folder, *words, '--cfg-options', *tiny.as_arguments(options))


@pytest.mark.parametrize('workers', [0, 2])
def test_above_the_limit_a_run_stops_with_a_checkpoint_and_goes_on(config, tmp_path, workers):
    folder = tiny.write_images(tmp_path / 'images')
    broken = break_images(folder, 5)
    options = {
        'train_dataloader.num_workers': workers,
        'default_hooks.logger.interval': 2,
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 3,
    }
    whole, work = tmp_path / 'whole', tmp_path / 'work'
    end = run_tool('train.py', config, *arguments(folder, whole, options), cwd=tmp_path)
    assert end.status == 0, end.err
    limit = {'train_dataloader.dataset.max_bad_images': 0.1}  # of 32 images: 3
    end = run_tool('train.py', config, *arguments(folder, work, options | limit), cwd=tmp_path)
    assert end.status == 5 and 'Traceback' not in end.err, end.err
    sentence = end.err.splitlines()[-1]
    assert 'of 32 images' in sentence and 'max_bad_images (3)' in sentence
    assert f'checkpoint {work}/iter_' in sentence and 'go on with --resume' in sentence
    stopped = (work / 'bad_images.txt').read_text().splitlines()
    assert 3 < len(stopped) <= 5 and set(stopped) <= set(map(str, broken))
    end = run_tool('train.py', config, *arguments(folder, work, options, '--resume'), cwd=tmp_path)
    assert end.status == 0, end.err
    assert all(f'cannot read {path}' not in end.out + end.err for path in stopped)  # still known
    for part in ('state_dict', 'ema_state_dict', 'optimizer'):
        tiny.assert_identical(*(tiny.last_checkpoint(run)[part] for run in (work, whole)), part)
    assert (work / 'bad_images.txt').read_text() == (whole / 'bad_images.txt').read_text()
    assert (work / 'bad_images.txt').read_text() == ''.join(f'{path}\n' for path in broken)


def test_images_repaired_before_the_resumption_count_no_more(config, tmp_path):
    folder = tiny.write_images(tmp_path / 'images')
    good = {path: path.read_bytes() for path in folder.rglob('*.png')}
    broken = break_images(folder, 4)
    limit = {'train_dataloader.dataset.max_bad_images': 2, 'default_hooks.logger.interval': 1}
    work = tmp_path / 'work'
    end = run_tool('train.py', config, *arguments(folder, work, limit), cwd=tmp_path)
    assert end.status == 5, end.err
    for path in broken:
        path.write_bytes(good[path])
    end = run_tool('train.py', config, *arguments(folder, work, limit, '--resume'), cwd=tmp_path)
    assert end.status == 0, end.err
    assert 'can be read now' in end.out and not (work / 'bad_images.txt').exists()


def test_a_run_whose_images_vanish_keeps_what_it_has(config, tmp_path):
    """More than a thousand in a row, as when a disk is taken away, found before the interval."""
    folder = tiny.write_images(tmp_path / 'images')
    there = sorted(path.relative_to(tmp_path).as_posix() for path in folder.rglob('*.png'))
    gone = [f'gone_{i}.png' for i in range(1100)]
    (tmp_path / 'list.txt').write_text('\n'.join([*there, *gone]) + '\n')
    options = {
        'train_dataloader.sampler.shuffle': False,
        'train_dataloader.num_workers': 2,
        'default_hooks.logger.interval': 100,
    }
    work = tmp_path / 'work'
    end = run_tool(
        'train.py', config, *arguments(tmp_path / 'list.txt', work, options), cwd=tmp_path
    )
    assert end.status == 5 and 'Traceback' not in end.err, end.err
    sentence = end.err.splitlines()[-1]
    assert 'of 1,132 images' in sentence and 'checkpoint' in sentence
    assert list(work.glob('iter_*.pth'))


def test_two_processes_count_together_and_stop_together(config, tmp_path):
    folder = tiny.write_images(tmp_path / 'images')
    broken = break_images(folder, 6)
    options = {
        'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 1,
        'default_hooks.logger.interval': 1,
        'train_dataloader.dataset.max_bad_images': 4,
    }
    whole, work = tmp_path / 'whole', tmp_path / 'work'
    for end in run_on(2, 'train.py', config, *arguments(folder, work, options), cwd=tmp_path):
        assert end.status == 5 and 'Traceback' not in end.err, end.err
    named = (work / 'bad_images.txt').read_text().splitlines()
    assert 4 < len(named) <= 6 and set(named) <= set(map(str, broken))
    options['train_dataloader.dataset.max_bad_images'] = 6
    for words in (arguments(folder, work, options, '--resume'), arguments(folder, whole, options)):
        for end in run_on(2, 'train.py', config, *words, cwd=tmp_path):
            assert end.status == 0, end.err
    for part in ('state_dict', 'ema_state_dict', 'optimizer'):
        tiny.assert_identical(*(tiny.last_checkpoint(run)[part] for run in (work, whole)), part)
    names = ''.join(f'{path}\n' for path in broken)
    assert (work / 'bad_images.txt').read_text() == (whole / 'bad_images.txt').read_text() == names


@pytest.fixture(scope='module')
def many(tmp_path_factory):
    """1,000 good images, 60 that cannot be decoded and 60 unusual ones; the broken ones' paths."""
    folder = tmp_path_factory.mktemp('many') / 'images'
    tiny.write_images(folder, images=1000, noise=3)
    broken = picture_kinds.write_many(folder / 'class_0', picture_kinds.broken, 58)
    broken += picture_kinds.write_beside_files(folder / 'class_0')
    picture_kinds.write_many(folder / 'class_1', picture_kinds.unusual, 60)
    return folder, sorted(str(folder / 'class_0' / name) for name in broken)


@pytest.mark.slow
def test_sixty_of_1120_are_skipped_in_every_run(config, many, tmp_path):
    folder, broken = many
    runs = {'first': 0, 'again': 0, 'two_workers': 2}
    for name, workers in runs.items():
        options = {
            'train_dataloader.num_workers': workers,
            'train_dataloader.batch_size': 32,
            'train_cfg.max_epochs': 2,
        }
        words = arguments(folder, tmp_path / name, options)
        end = run_tool('train.py', config, *words, cwd=tmp_path)
        assert end.status == 0, end.err
        named = (tmp_path / name / 'bad_images.txt').read_text().splitlines()
        assert named == broken and len(named) == 60
    losses = [tiny.logged(tmp_path / name) for name in runs]
    assert len(losses[0]) == 70 and losses[0] == losses[1] == losses[2]
    first, *others = (tiny.last_checkpoint(tmp_path / name) for name in runs)
    for other in others:
        for part in ('state_dict', 'ema_state_dict', 'optimizer'):
            tiny.assert_identical(other[part], first[part], part)


def test_the_check_finds_these_sixty(many, tmp_path):
    folder, broken = many
    end = run_tool('check_images.py', folder, '--workers', 2, cwd=tmp_path)
    assert end.status == 5, end.err
    assert (tmp_path / 'bad_images.txt').read_text().splitlines() == broken
    assert '1,060 can be read, 60 cannot' in end.out
