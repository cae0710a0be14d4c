"""Small folders in the formats of the published evaluations."""

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dinomm.evaluation.masks import usual_palette, write_mask

FRAMES = 5
FRAME = (96, 128)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """A JPEG, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=95)


def texture(seed: int, shape: tuple[int, int] = FRAME, sigma: float = 3) -> np.ndarray:
    """Smooth coloured noise, (H, W, 3) uint8."""
    noise = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), sigma), None, 0, 255, cv2.NORM_MINMAX)


def tinted(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """A texture in a colour of its own, which untrained networks tell from others."""
    color = np.random.default_rng(1000 + seed).integers(0, 256, 3)
    return (0.3 * texture(seed, shape) + 0.7 * color).astype(np.uint8)


def write_davis(root: Path, videos: tuple[str, ...] = ('discs', 'again')) -> Path:
    """DAVIS-2017: two coloured discs drift over a texture; the second is drawn over the first."""
    rows, columns = np.mgrid[: FRAME[0], : FRAME[1]]
    for name in videos:
        for t in range(FRAMES):
            frame, mask = texture(0), np.zeros(FRAME, np.uint8)
            for number, (y, x) in enumerate([(30, 30 + 4 * t), (60, 100 - 4 * t)], 1):
                disc = (rows - y) ** 2 + (columns - x) ** 2 < 20**2
                frame[disc], mask[disc] = [(250, 30, 20), (10, 40, 250)][number - 1], number
            mask[:12, :16] = 255
            write_picture(root / 'JPEGImages' / '480p' / name / f'{t:05d}.jpg', frame)
            path = root / 'Annotations' / '480p' / name / f'{t:05d}.png'
            write_mask(path, mask, usual_palette())
    listing = root / 'ImageSets' / '2017' / 'val.txt'
    listing.parent.mkdir(parents=True)
    listing.write_text('\n'.join(videos) + '\n')
    return root


def write_voc(root: Path) -> Path:
    """VOC2012: three images with two objects of one class, and a row of void pixels."""
    for number, name in enumerate('abc'):
        write_picture(root / 'JPEGImages' / f'{name}.jpg', texture(number, (50, 70)))
        mask = np.zeros((50, 70), np.uint8)
        mask[5:30, 10:40] = mask[30:45, 50:] = 15
        mask[0] = 255
        write_mask(root / 'SegmentationClass' / f'{name}.png', mask, usual_palette())
        mask[30:45, 50:] = 2
        write_mask(root / 'SegmentationObject' / f'{name}.png', mask, usual_palette())
    listing = root / 'ImageSets' / 'Segmentation' / 'val.txt'
    listing.parent.mkdir(parents=True)
    listing.write_text('a\nb\nc\n')
    return root


def write_copydays(root: Path, originals: int = 4) -> Path:
    """Copydays: every original with two strong copies (smaller, mirrored) and a crop."""
    for number in range(originals):
        picture = tinted(number, (60, 80))
        name = f'20{number:02d}'
        write_picture(root / 'original' / f'{name}00.jpg', picture)
        write_picture(root / 'strong' / f'{name}01.jpg', picture[::2, ::2])
        write_picture(root / 'strong' / f'{name}02.jpg', picture[:, ::-1])
        write_picture(root / 'crops' / '10' / f'{name}00.jpg', picture[3:-3, 4:-4])
    return root


def write_revisited(root: Path) -> Path:
    """A revisited set as JSON: six images of three places, two queries."""
    for number in range(6):
        picture = tinted(number // 2, (60, 80))[: 60 - 10 * (number % 2)]
        write_picture(root / 'jpg' / f'place_{number}.jpg', picture)
    for number in range(2):
        write_picture(root / 'jpg' / f'query_{number}.jpg', tinted(number, (60, 80))[:, ::-1])
    gnd = [
        {'bbx': [10, 5, 70, 55], 'easy': [0], 'hard': [1], 'junk': [5]},
        {'bbx': [0, 0, 40, 30], 'easy': [2], 'hard': [3], 'junk': []},
    ]
    names = {
        'imlist': [f'place_{number}' for number in range(6)],
        'qimlist': ['query_0', 'query_1'],
    }
    (root / 'gnd_places.json').write_text(json.dumps({**names, 'gnd': gnd}))
    return root
