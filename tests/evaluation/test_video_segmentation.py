import shutil

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from dinomm.evaluation.label_propagation import Propagation
from dinomm.evaluation.masks import jaccard, read_mask, read_palette, usual_palette, write_mask
from dinomm.evaluation.video_measures import boundary_accuracy
from dinomm.evaluation.video_segmentation import (
    evaluate_video,
    find_videos,
    frame_size,
    measure_frame,
    segment_video,
    summarise,
)

from .folders import FRAME as SIZE
from .folders import FRAMES, write_davis
from .networks import network

SMALL = {'short_side': 64}


@pytest.fixture(scope='module')
def davis_once(tmp_path_factory):
    return write_davis(tmp_path_factory.mktemp('davis'))


@pytest.fixture
def davis(davis_once, tmp_path):
    return shutil.copytree(davis_once, tmp_path / 'davis')


def test_videos_of_the_list(davis):
    first, second = find_videos(davis)
    assert (first.name, second.name) == ('discs', 'again')
    assert [path.name for path in first.frames] == [f'{t:05d}.jpg' for t in range(FRAMES)]
    assert [path.name for path in first.masks] == [f'{t:05d}.png' for t in range(FRAMES)]


@pytest.mark.parametrize(
    ('shape', 'stride', 'expected'),
    [
        ((480, 854), (16, 16), (480, 832)),
        ((480, 910), (8, 8), (480, 896)),
        ((854, 480), (16, 16), (832, 480)),
        ((1080, 1920), (16, 16), (480, 832)),
        ((500, 500), (1, 1), (480, 448)),
        ((480, 854), (14, 14), (476, 826)),
    ],
)
def test_size_of_frames(shape, stride, expected):
    assert frame_size(*shape, stride) == expected


def by_published_steps(frozen, video):
    """The whole propagation of DINO's evaluation, in its order and with dense matrices."""
    tensors = []
    for path in video.frames:
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        picture = torch.from_numpy(cv2.resize(picture, (64, 64))).permute(2, 0, 1)[None]
        images = (picture - torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)) / torch.tensor(
            [58.395, 57.12, 57.375]
        ).view(3, 1, 1)
        tensors.append(F.normalize(frozen.backbone(images)[-1][0, 1:], dim=1))
    cells = torch.arange(64)
    near = (cells[:, None] // 8 - cells // 8).abs() <= 2
    near &= (cells[:, None] % 8 - cells % 8).abs() <= 2
    first = Image.open(video.masks[0])
    small = np.array(first.resize((8, 8), 0))
    small[small == 255] = 0
    segments = [F.one_hot(torch.from_numpy(small).long().flatten(), 3).float()]
    results = []
    for t in range(1, len(tensors)):
        used = [0, *range(max(1, t - 2), t)]
        affinity = torch.cat([(tensors[t] @ tensors[s].T / 0.1).exp() * near for s in used], 1)
        least = affinity.topk(5, dim=1).values[:, -1:]
        affinity = torch.where(affinity < least, 0, affinity)
        weights = affinity / affinity.sum(1, keepdim=True)
        segments.append(weights @ torch.cat([segments[s] for s in used]))
        maps = segments[-1].T.reshape(1, 3, 8, 8)
        maps = F.interpolate(maps, scale_factor=8, mode='bilinear', align_corners=False)[0]
        for label in maps:
            label -= label.min()
            label /= label.max()
        found = maps.argmax(0).numpy().astype(np.uint8)
        results.append(np.array(Image.fromarray(found).resize((128, 96), 0)))
    return results


def test_masks_are_those_of_the_published_steps(davis):
    frozen, (video, _) = network('vit'), find_videos(davis)
    found = list(segment_video(frozen, video, Propagation(last_frames=2, radius=2), **SMALL))
    expected = by_published_steps(frozen, video)
    assert len(found) == len(expected) == FRAMES - 1
    for ours, published in zip(found, expected, strict=True):
        assert (ours != published).mean() < 1e-3
    assert set(np.unique(found)) == {0, 1, 2}


@pytest.mark.parametrize('family', ['vit', 'timm-vit', 'resnet', 'swin'])
def test_files_and_figures_of_every_family(davis, tmp_path, family):
    video, _ = find_videos(davis)
    done = []
    figures = evaluate_video(network(family), video, tmp_path / 'out', **SMALL, count=done.append)
    assert sum(done) == FRAMES - 1
    files = sorted((tmp_path / 'out' / 'discs').iterdir())
    assert [path.name for path in files] == [f'{t:05d}.png' for t in range(FRAMES)]
    assert np.array_equal(read_mask(files[0]), read_mask(video.masks[0]))
    assert read_palette(files[2])[:9] == usual_palette()[:9]
    assert figures.keys() == {'discs_1', 'discs_2'}
    pairs = [(read_mask(files[t]), read_mask(video.masks[t])) for t in range(1, FRAMES - 1)]
    for number in (1, 2):
        regions = [jaccard(found == number, true == number) for found, true in pairs]
        boundaries = [boundary_accuracy(found == number, true == number) for found, true in pairs]
        of_object = figures[f'discs_{number}']
        assert of_object['J mean'] == pytest.approx(100 * np.mean(regions))
        assert of_object['F mean'] == pytest.approx(100 * np.mean(boundaries))
        assert of_object['J recall'] == pytest.approx(100 * np.mean(np.array(regions) > 0.5))


def test_the_discs_are_followed(davis, tmp_path):
    video, _ = find_videos(davis)
    figures = evaluate_video(network('vit'), video, tmp_path, Propagation(radius=2), **SMALL)
    assert min(of['J mean'] for of in figures.values()) > 60


def test_means_over_objects():
    objects = {
        'a_1': {'J mean': 90.0, 'F mean': 80.0},
        'a_2': {'J mean': 50.0, 'F mean': 20.0},
        'b_1': {'J mean': 40.0, 'F mean': 50.0},
    }
    assert summarise(objects) == {'J&F mean': 55.0, 'J mean': 60.0, 'F mean': 50.0}
    assert summarise({}) == {}


def test_an_object_that_is_lost_and_one_that_appears_later():
    found, true = np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8)
    true[2:5, 2:5], true[6:8, 6:8] = 1, 3
    regions, boundaries = measure_frame(found, true, objects=2)
    assert regions.tolist() == boundaries.tolist() == [0, 1]


def test_without_later_masks_nothing_is_measured(davis, tmp_path):
    for path in sorted((davis / 'Annotations/480p/discs').iterdir())[1:]:
        path.unlink()
    video, _ = find_videos(davis)
    assert evaluate_video(network('vit'), video, tmp_path / 'out', **SMALL) == {}
    assert len(list((tmp_path / 'out' / 'discs').iterdir())) == FRAMES


def remove_list(davis):
    (davis / 'ImageSets/2017/val.txt').unlink()


def empty_list(davis):
    (davis / 'ImageSets/2017/val.txt').write_text('\n')


def remove_frames(davis):
    shutil.rmtree(davis / 'JPEGImages/480p/discs')


def remove_mask(davis):
    (davis / 'Annotations/480p/discs/00002.png').unlink()


def remove_first_mask(davis):
    (davis / 'Annotations/480p/discs/00000.png').unlink()


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (remove_list, 'val.txt does not exist: expected a folder of DAVIS-2017'),
        (empty_list, 'val.txt names no video'),
        (remove_frames, 'discs has 0 frames'),
        (remove_mask, '00002.png does not exist: expected one for each frame'),
        (remove_first_mask, '00000.png does not exist'),
    ],
)
def test_missing_files_are_found_before_anything_is_looked_at(davis, change, sentence):
    change(davis)
    with pytest.raises(ValueError, match=sentence):
        find_videos(davis)


def no_object(davis):
    mask = np.full(SIZE, 255, np.uint8)
    mask[:50] = 0
    write_mask(davis / 'Annotations/480p/discs/00000.png', mask, usual_palette())


def small_first_mask(davis):
    mask = np.ones((48, 64), np.uint8)
    write_mask(davis / 'Annotations/480p/discs/00000.png', mask, usual_palette())


def small_later_mask(davis):
    mask = np.ones((48, 64), np.uint8)
    write_mask(davis / 'Annotations/480p/discs/00002.png', mask, usual_palette())


def small_frame(davis):
    Image.new('RGB', (64, 48)).save(davis / 'JPEGImages/480p/discs/00003.jpg')


def broken_frame(davis):
    (davis / 'JPEGImages/480p/discs/00003.jpg').write_bytes(b'no image')


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        (no_object, '00000.png of a first frame has no object'),
        (small_first_mask, '00000.png is of 48x64 pixels, but frame .* of 96x128'),
        (small_later_mask, '00002.png is of 48x64 pixels, but the first of 96x128'),
        (small_frame, '00003.jpg is of 48x64 pixels, but the first of 96x128'),
        (broken_frame, 'cannot read .*00003.jpg'),
    ],
)
def test_what_does_not_fit_is_a_sentence(davis, tmp_path, change, sentence):
    change(davis)
    video, _ = find_videos(davis)
    with pytest.raises(ValueError, match=sentence):
        evaluate_video(network('vit'), video, tmp_path / 'out', **SMALL)


def test_gray_and_16_bit_frames_are_looked_at(davis, tmp_path):
    folder = davis / 'JPEGImages/480p/discs'
    Image.open(folder / '00001.jpg').convert('L').save(folder / '00001.jpg')
    gray = np.array(Image.open(folder / '00002.jpg').convert('L')).astype(np.uint16) * 257
    Image.fromarray(gray).save(folder / '00002.png')
    (folder / '00002.jpg').unlink()
    video, _ = find_videos(davis)
    assert len(evaluate_video(network('vit'), video, tmp_path / 'out', **SMALL)) == 2
