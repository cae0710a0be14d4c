"""tools/visualize.py, in this process, and the files that it writes."""

import argparse
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from dinomm import launch
from dinomm.commands import visualize
from dinomm.evaluation.features import Extraction, Reader, extract
from dinomm.evaluation.labelled import folder_images
from dinomm.evaluation.network import load_network
from dinomm.registry import MODELS
from dinomm.visualization import neighbours as neighbours_picture
from dinomm.visualization.prototypes import REGION_COLOR
from dinomm.visualization.video import read_film, write_film

from .tool import RESNET, SWIN, VIT


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    """Images of two classes in folders, and weights of a whole network."""
    home = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for name in ('cat/a', 'cat/b', 'cat/c', 'dog/a', 'dog/b', 'dog/c'):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        path = home / 'images' / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((96, 72)).save(path)
    torch.manual_seed(0)
    model = MODELS.build(launch.read_config(VIT).model)
    torch.save({'state_dict': model.state_dict()}, home / 'weights.pth')
    backbone = {k: v for k, v in model.state_dict().items() if k.startswith('backbone.')}
    torch.save({'state_dict': backbone}, home / 'backbone.pth')
    return home


def draw(name, *words, out, config=VIT):
    parser = argparse.ArgumentParser()
    visualize.add_pictures(parser)
    options = ['--out', out]
    args = parser.parse_args([str(word) for word in (name, config, *words, *options)])
    if 'device' in args:
        args.device = 'cpu'
    visualize.run(args)
    with Image.open(out) as picture:
        assert picture.format == 'PNG'
        pixels = np.asarray(picture.convert('RGB'))
    assert pixels.std() > 10
    assert [path.name for path in out.parent.glob('.*')] == []
    return pixels


@pytest.fixture
def cat(home):
    return home / 'images' / 'cat'


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'new' / 'picture.png'


COMMANDS = {
    'attention': ((), 1260),
    'pca': ((), 784),
    'correspondence': ((), 968),
    'crops': ((), 1156),
    'neighbours': (('--among', '{images}', '--k', 3, '--no-cache', '--workers', 0), 1064),
    'prototypes': (('--top', 2, '--prototypes', 3, '--workers', 0), 536),
    'embedding': (('--no-cache', '--workers', 0), 1100),
    'schedules': ((), 1200),
}


def words_of(name, home):
    """What stands after the config."""
    weights, images = home / 'weights.pth', home / 'images'
    positional = {
        'correspondence': [weights, images / 'cat/a.png'],
        'crops': [images / 'cat/a.png'],
        'neighbours': [weights, images / 'cat/a.png', images / 'dog/a.png'],
        'prototypes': [weights, images],
        'embedding': [weights, images],
        'schedules': [],
    }.get(name, [weights, images / 'cat'])
    options = [str(word).format(images=images) for word in COMMANDS[name][0]]
    return [*positional, *options]


@pytest.mark.parametrize('name', COMMANDS)
def test_every_picture(home, out, name):
    pixels = draw(name, *words_of(name, home), out=out)
    assert pixels.shape[1] == COMMANDS[name][1] and pixels.shape[0] > 200


def test_every_picture_is_tried_here():
    assert {*COMMANDS, 'attention-video'} == set(visualize.PICTURES)


@pytest.mark.parametrize('config', [SWIN, RESNET])
@pytest.mark.parametrize('name', ['attention', 'pca', 'correspondence', 'neighbours', 'embedding'])
def test_other_networks(home, out, cat, name, config):
    words = words_of(name, home)
    words[0] = 'untrained'
    if name in ('attention', 'pca'):
        words += ['--size', 96]
    if name == 'attention' and config == RESNET:
        with pytest.raises(ValueError, match='ResNet gives no attention'):
            draw(name, *words, out=out, config=config)
        return
    draw(name, *words, out=out, config=config)


def test_neighbours_equal_a_brute_force_search(home, out, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        neighbours_picture, 'draw_sheet', lambda heading, rows, path: drawn.extend(rows)
    )
    args = ('--among', home / 'images', '--k', 5, '--no-cache', '--workers', 0)
    queries = [home / 'images/cat/a.png', home / 'images/dog/c.png']
    with pytest.raises(FileNotFoundError):  # nothing was drawn
        draw('neighbours', home / 'weights.pth', *queries, *args, out=out)
    config = launch.read_config(VIT)
    images = folder_images(config, str(home / 'images'))
    network = load_network(config, str(home / 'weights.pth'), device='cpu')
    features = extract(network, images, Reader(), Extraction(tell=str))
    rows = features.rows.double().numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert len(drawn) == 2
    for query, row in zip(queries, drawn, strict=True):
        number = features.paths.index(str(query))
        cosine = rows @ rows[number]
        order = [i for i in np.argsort(-cosine) if i != number]
        names = ['/'.join(features.paths[i].split('/')[-2:]) for i in order]
        shown = [tile.caption.split(' ') for tile in row[1:]]
        assert [name for _, name in shown] == names
        assert [float(c) for c, _ in shown] == pytest.approx(cosine[order], abs=6e-4)
        green = [tile.frame == neighbours_picture.SAME_COLOR for tile in row[1:]]
        assert green == [name.startswith(query.parent.name) for name in names]


def test_a_query_from_elsewhere_has_no_class(home, out, tmp_path):
    Image.new('RGB', (50, 40), (200, 30, 30)).save(tmp_path / 'q.png')
    words = ('--among', home / 'images', '--no-cache', '--workers', 0)
    pixels = draw('neighbours', home / 'weights.pth', tmp_path / 'q.png', *words, out=out)
    colors = (neighbours_picture.SAME_COLOR, neighbours_picture.OTHER_COLOR)
    assert not any((pixels == color).all(-1).any() for color in colors)


def test_the_student_is_another_network(home, out, tmp_path, cat):
    content = torch.load(home / 'weights.pth')
    torch.manual_seed(1)
    other = MODELS.build(launch.read_config(VIT).model).state_dict()
    content['ema_state_dict'] = {f'module.{name}': value for name, value in other.items()}
    torch.save(content, tmp_path / 'both.pth')
    teacher = draw('pca', tmp_path / 'both.pth', cat, out=out)
    student = draw('pca', tmp_path / 'both.pth', cat, '--student', out=out)
    assert (teacher != student).any()
    words = (home / 'images', '--top', 2, '--workers', 0)
    rows = [
        draw('prototypes', tmp_path / 'both.pth', *words, *more, out=out)
        for more in ((), ('--student',))
    ]
    assert rows[0].shape != rows[1].shape or (rows[0] != rows[1]).any()


def test_prototypes_of_regions_are_framed(home, out, tmp_path):
    config = launch.read_config(VIT)
    config.model.heads.region = dict(
        type='RegionMatchingHead', in_channels=96, hidden_channels=16, num_prototypes=30
    )
    torch.save({'state_dict': MODELS.build(config.model).state_dict()}, tmp_path / 'two.pth')
    words = (tmp_path / 'two.pth', home / 'images', '--workers', 0, '--top', 2)
    config.dump(str(tmp_path / 'two.py'))
    shown = {
        name: draw('prototypes', *words, '--head', name, out=out, config=tmp_path / 'two.py')
        for name in ('view', 'region')
    }
    framed = {name: (p == REGION_COLOR).all(-1).any() for name, p in shown.items()}
    assert framed == {'view': False, 'region': True}


def test_thumbnails_and_fewer_images(home, out):
    words = (home / 'images', '--no-cache', '--workers', 0)
    points = draw('embedding', home / 'weights.pth', *words, out=out)
    pictures = draw('embedding', home / 'weights.pth', *words, '--thumbnails', out=out)
    some = draw('embedding', home / 'weights.pth', *words, '--limit', 4, out=out)
    assert (points != pictures).any() and (points != some).any()


# ---- films


def test_a_film(home, tmp_path):
    with Image.open(home / 'images/cat/a.png') as picture:
        still = np.asarray(picture)
    write_film([still, still[::-1], still[:, ::-1]] * 2, tmp_path / 'in.mp4', 10)
    for options, count, fps in (((), 6, 10), (('--every', 2), 3, 5), (('--frames', 1), 1, 10)):
        words = ['attention-video', VIT, home / 'weights.pth', tmp_path / 'in.mp4', *options]
        parser = argparse.ArgumentParser()
        visualize.add_pictures(parser)
        args = parser.parse_args([*map(str, words), '--out', str(tmp_path / 'out.mp4')])
        visualize.run(args)
        film = read_film(args.out)
        frames = list(film.frames)
        assert len(frames) == count and film.fps == fps
        assert frames[0].shape == (270, 728, 3) and frames[0].std() > 10
    different = [np.abs(a.astype(int) - b).mean() for a, b in pairwise(frames)]
    assert all(value > 2 for value in different)


# ---- odd images


def test_gray_transparent_and_deep_images(home, out, tmp_path):
    with Image.open(home / 'images/cat/a.png') as picture:
        rgb = np.asarray(picture.convert('L').convert('RGB'))
        gray = picture.convert('L')
    folder = tmp_path / 'odd'
    folder.mkdir()
    Image.fromarray(rgb).save(folder / '1.png')
    gray.save(folder / '2.png')
    Image.fromarray(np.asarray(gray).astype(np.uint16) * 257).save(folder / '3.png')
    Image.fromarray(np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])).save(folder / '4.png')
    pixels = draw('pca', home / 'weights.pth', folder, out=out)
    top = np.flatnonzero((pixels != 255).any(-1).any(1))
    columns = np.flatnonzero((pixels[top[-1] - 20] != 255).any(-1))
    edges = [columns[0], *(columns[np.flatnonzero(np.diff(columns) > 1) + 1])]
    strips = [pixels[-150:-30, left : left + 230] for left in edges]
    assert len(strips) == 4
    for strip in strips[1:]:
        assert (strip == strips[0]).all()


WRONG = {
    'unreadable': (('pca', '{w}', '{broken}'), r'cannot read .*broken\.png'),
    'unreadable crop': (('crops', '{broken}'), r'cannot read .*broken\.png'),
    'unreadable query': (
        ('neighbours', '{w}', '{broken}', '--among', '{images}'),
        r'cannot read .*broken\.png',
    ),
    'no image': (('attention', '{w}', '{home}/none.png'), r'none\.png does not exist'),
    'empty folder': (('attention', '{w}', '{empty}'), 'has no image'),
    'no folder': (('neighbours', '{w}', '{a}', '--among', '{home}/none'), 'does not exist'),
    'no such folder': (('embedding', '{w}', '{home}/none'), 'does not exist'),
    'no second image': (('correspondence', '{w}', '{a}', '{home}/b.png'), r'b\.png does not exist'),
    'no checkpoint': (('pca', '{home}/none.pth', '{a}'), r'none\.pth does not exist'),
    'no head': (('prototypes', '{backbone}', '{images}'), r"holds no head 'view' with prototypes"),
    'unknown head': (
        ('prototypes', '{w}', '{images}', '--head', 'x'),
        "has no 'x': expected one of view",
    ),
    'untrained head': (('prototypes', 'untrained', '{images}'), 'untrained head say nothing'),
    'no film': (('attention-video', '{w}', '{broken}', '--out', '{home}/o.mp4'), 'be decoded'),
    'size': (('attention', '{w}', '{a}', '--size', '-1'), '--size is -1: expected at least 1'),
    'small': (('attention', '{w}', '{a}', '--size', '3'), 'size is 3: expected pixels, at least'),
    'query': (('attention', '{w}', '{a}', '--query', '1', '0'), 'query is 1 0: expected x and y'),
    'mass': (('attention', '{w}', '{a}', '--mass', '0'), 'mass is 0.0'),
    'k': (('neighbours', '{w}', '{a}', '--among', '{images}', '--k', '0'), '--k is 0'),
    'seed': (('crops', '{a}', '--seed', '-1'), '--seed is -1'),
    'no data': (('crops',), r'train_dataloader\.dataset\.root'),
    'ending': (('pca', '{w}', '{a}', '--out', 'a.jpg'), r'--out a\.jpg: expected .* in \.png'),
    'fps': (('attention-video', '{w}', '{a}', '--fps', '0', '--out', 'a.mp4'), '--fps is 0'),
    'limit': (('embedding', '{w}', '{images}', '--limit', '0'), '--limit is 0'),
    'umap': (('embedding', '{w}', '{images}', '--method', 'umap', '--workers', '0'), 'umap-learn'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_use_is_a_sentence(home, tmp_path, monkeypatch, case):
    words, sentence = WRONG[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, 'umap', None)
    (tmp_path / 'broken.png').write_bytes(b'no image')
    (tmp_path / 'empty').mkdir()
    places = {
        'w': home / 'weights.pth',
        'backbone': home / 'backbone.pth',
        'images': home / 'images',
        'a': home / 'images/cat/a.png',
        'broken': tmp_path / 'broken.png',
        'empty': tmp_path / 'empty',
        'home': tmp_path,
    }
    name, *rest = [word.format(**places) for word in words]
    parser = argparse.ArgumentParser()
    visualize.add_pictures(parser)
    with pytest.raises(ValueError, match=sentence):
        visualize.run(parser.parse_args([name, VIT, *rest]))
    assert not list(tmp_path.glob('*.mp4')) and len(list(tmp_path.glob('*.png'))) == 1


def test_an_unreadable_image_of_a_folder_is_left_out(home, out, tmp_path, recwarn):
    folder = tmp_path / 'images'
    for i in range(4):
        (folder / 'x').mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / 'x' / f'{i}.png'), np.full((40, 40, 3), 60 * i, np.uint8))
    (folder / 'x' / '1b.png').write_bytes(b'no image')
    words = (folder, '--workers', 0, '--top', 9)
    pixels = draw('prototypes', home / 'weights.pth', *words, out=out)
    assert pixels.shape[1] == 2 * 24 + 4 * 248 - 8
    draw('embedding', home / 'weights.pth', folder, '--no-cache', '--workers', 0, out=out)
