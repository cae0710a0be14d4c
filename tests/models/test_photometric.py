import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import functional as published

from dinomm.datasets.embedded import PHOTOS, write_photos
from dinomm.datasets.transforms.multi_crop import draw_view
from dinomm.datasets.transforms.photometric import recolor
from dinomm.datasets.transforms.raw_view import OPERATIONS, pack_steps
from dinomm.datasets.transforms.views import parse_view
from dinomm.models import photometric
from dinomm.models.photometric import plan_passes, recolor_batch

SIZE = 64
DINO = dict(
    size=SIZE,
    scale=(0.4, 1.0),
    jitter=dict(prob=0.8, brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
    gray=0.2,
    blur=dict(prob=0.5, radius=(0.1, 2.0)),
    solarize=dict(prob=0.2, threshold=128),
)
LINEAR = dict(DINO, jitter=dict(DINO['jitter'], hue=0.0), blur=None)
PUBLISHED = {
    'brightness': published.adjust_brightness,
    'contrast': published.adjust_contrast,
    'saturation': published.adjust_saturation,
    'hue': published.adjust_hue,
    'gray': lambda image, _: published.rgb_to_grayscale(image, 3),
    'blur': lambda image, radius: image.filter(ImageFilter.GaussianBlur(radius)),
    'solarize': lambda image, threshold: ImageOps.solarize(image, threshold),
}


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Photographs, noise, and a picture of few colours."""
    folder = write_photos(tmp_path_factory.mktemp('photos') / 'photos')
    found = [cv2.imread(str(folder / name))[..., ::-1] for name in PHOTOS]
    found = [cv2.resize(np.ascontiguousarray(p), (SIZE, SIZE)) for p in found]
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    return np.stack([*found, noise, noise // 128 * 255])


def draw(config, number, seed=0):
    rng = np.random.default_rng(seed)
    view = parse_view(config, 'views[0]')
    return [draw_view(view, 90, 90, (3 / 4, 4 / 3), rng).steps for _ in range(number)]


def to_batch(pictures):
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().contiguous()


def recolored(pictures, steps):
    """Whole levels in bytes, (N, H, W, 3)."""
    images = to_batch(pictures)
    recolor_batch(images, pack_steps(steps))
    assert torch.equal(images, images.round()) and images.min() >= 0 and images.max() <= 255
    return images.permute(0, 2, 3, 1).to(torch.uint8).numpy()


def differences(actual, expected):
    """Mean absolute difference, and the largest of a channel's mean."""
    difference = np.asarray(actual, float) - np.asarray(expected, float)
    return np.abs(difference).mean(), np.abs(difference.mean((0, 1))).max()


@pytest.mark.parametrize(('config', 'tolerance'), [(LINEAR, 1.0), (DINO, 2.0)])
def test_every_view_is_what_the_worker_makes_of_the_same_draws(pictures, config, tolerance):
    applied = set()
    for seed in range(10):
        steps = draw(config, len(pictures), seed)
        for i, view in enumerate(recolored(pictures, steps)):
            mean, channel = differences(view, recolor(pictures[i], steps[i]))
            assert mean <= tolerance and channel <= 1.0, steps[i]
        applied |= {name for some in steps for name, _ in some}
    assert applied == set(OPERATIONS) - (set() if config is DINO else {'hue', 'blur'})


@pytest.mark.parametrize(
    ('name', 'values', 'mean', 'channels'),
    [
        ('brightness', (0.0, 0.6, 1.0, 1.37, 2.0), 0.01, 0.01),
        # Pillow takes a level from whole results that its float32 misses
        ('contrast', (0.0, 0.6, 1.0, 1.37, 2.0), 0.1, 0.25),
        ('saturation', (0.0, 0.8, 1.0, 1.004, 2.0), 0.01, 0.01),
        ('hue', (-0.5, -0.1, -0.003, 0.0, 0.049, 0.37), 0.02, 0.05),
        ('gray', (1,), 0.01, 0.01),
        ('solarize', (0, 128, 256), 0.0, 0.0),
        ('blur', (0.1, 0.5, 1.0, 1.5, 2.0), 1.4, 0.9),
    ],
)
def test_an_operation_is_pillows(pictures, name, values, mean, channels):
    for value in values:
        actual = recolored(pictures, [[(name, value)]] * len(pictures))
        for mine, picture in zip(actual, pictures, strict=True):
            expected = PUBLISHED[name](Image.fromarray(picture), value)
            difference = differences(mine, expected)
            assert difference[0] <= mean and difference[1] <= channels, value


def test_chains_are_pillows(pictures):
    config = dict(DINO, blur=None)
    steps = draw(config, len(pictures), 3)
    for picture, drawn, mine in zip(pictures, steps, recolored(pictures, steps), strict=True):
        image = Image.fromarray(picture)
        for name, value in drawn:
            image = PUBLISHED[name](image, value)
        mean, channel = differences(mine, image)
        assert mean <= 0.2 and channel <= 0.2, drawn


@pytest.mark.parametrize('chunk', [1, 3 * SIZE * SIZE])
def test_an_image_does_not_depend_on_its_batch(pictures, monkeypatch, chunk):
    steps = draw(DINO, len(pictures), 1)
    whole = recolored(pictures, steps)
    monkeypatch.setattr(photometric, 'CHUNK', chunk)
    assert np.abs(whole.astype(int) - recolored(pictures, steps)).max() <= 1
    alone = recolored(pictures[4:5], steps[4:5])[0]
    assert differences(whole[4], alone)[0] < 0.01
    order = np.random.default_rng(0).permutation(len(pictures))
    mixed = recolored(pictures[order], [steps[i] for i in order])
    assert np.abs(whole[order].astype(int) - mixed).mean() < 0.01


def test_images_without_steps_are_left_alone(pictures):
    steps = [[], *draw(dict(DINO, blur=dict(prob=1)), len(pictures) - 2), []]
    out = recolored(pictures, steps)
    changed = [not np.array_equal(a, b) for a, b in zip(out, pictures, strict=True)]
    assert changed == [False] + [True] * (len(pictures) - 2) + [False]
    assert not list(plan_passes(pack_steps([[]] * 3)))
    assert not list(plan_passes(pack_steps([])))


def test_rectangles_and_other_operations_of_a_batch_stay_apart():
    images = torch.randint(256, (3, 3, 5, 9)).float()
    before = images.clone()
    recolor_batch(images, pack_steps([[('brightness', 0.0)], [], [('solarize', 0)]]))
    assert not images[0].any()
    assert torch.equal(images[1], before[1]) and torch.equal(images[2], 255 - before[2])


def test_dino_chains_need_few_passes():
    for images in (64, 512):
        passes = list(plan_passes(pack_steps(draw(DINO, images))))
        kinds = [each.kind.operations[-1] for each in passes]
        assert kinds.count('hue') == kinds.count('blur') == kinds.count('solarize') == 1
        assert kinds == ['gray'] * 3 + ['hue'] + ['gray'] * 4 + ['blur', 'solarize']
        steps = sum(len(each.rows) for each in passes)
        assert steps == sum(map(len, draw(DINO, images)))


class Operators(TorchDispatchMode):
    """Notes every operator that is called."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


def test_kernels_do_not_grow_with_the_batch_and_nothing_is_read_back(pictures):
    counts = []
    for copies in (1, 5):
        steps = draw(DINO, len(pictures)) * copies
        images = to_batch(np.concatenate([pictures] * copies))
        with Operators() as operators:
            recolor_batch(images, pack_steps(steps))
        counts.append(len(operators.names))
        read = ('_local_scalar_dense', 'nonzero', 'masked_select', 'unique')
        assert not [name for name in operators.names if any(part in name for part in read)]
    assert counts[0] == counts[1] < 400


def test_autocast_has_no_say(pictures):
    steps = draw(DINO, len(pictures), 2)
    expected = recolored(pictures, steps)
    with torch.autocast('cpu', torch.bfloat16):
        assert np.array_equal(recolored(pictures, steps), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_a_gpu_gives_what_the_cpu_gives(pictures):
    for seed in range(5):
        steps = draw(DINO, len(pictures), seed)
        images = to_batch(pictures).cuda()
        with torch.autocast('cuda', torch.bfloat16):
            torch.cuda.set_sync_debug_mode('error')
            try:
                recolor_batch(images, pack_steps(steps))
            finally:
                torch.cuda.set_sync_debug_mode('default')
        difference = images.cpu().permute(0, 2, 3, 1).numpy() - recolored(pictures, steps)
        assert np.abs(difference).mean((1, 2, 3)).max() < 0.05
