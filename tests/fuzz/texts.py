"""List files and COCO's JSON."""

import copy
import json
import random
from pathlib import Path

from dinomm.datasets.image_files import ImageFiles
from dinomm.detection.coco_check import find_faults, stopping_faults
from dinomm.detection.coco_file import find_image_folder, read_coco

from .kinds import Kind
from .mutations import mutated

PARTS = (
    'a.jpg', 'sub/b.png', '../a.jpg', '/etc/x.jpg', '//a.jpg', 'a.jpg 1', 'a.jpg -1', 'a.jpg cat',
    'a.jpg ' + '9' * 40, 'a.jpg \u0663', 'b.doc', '#', '', ' ', '\t', '\0', 'x' * 5000 + '.jpg',
    '\ufeff', 'a.jpg\r', 'my cat.jpg 3', './a.jpg', 'a.jpg 1.5', '~/a.jpg', 'C:\\a.jpg', 'file:///a.jpg',
)  # fmt: skip
WRONG = (
    None, True, -1, 0, 1.5, 10**30, 1e308, float('nan'), float('inf'), '', 'x', '\0', '../a.png',
    '/etc/passwd', 'a' * 5000, [], [1], [[1, 2, 3]], {}, {'size': [1, 1], 'counts': 'x'},
    {'size': [30, 40], 'counts': [10**12]}, {'size': [30, 40], 'counts': [-5]},
    {'size': [30, 40], 'counts': '\u2603' * 9}, [[float('nan')] * 6], [[1e308] * 6],
)  # fmt: skip
COCO = {
    'images': [
        {'id': 1, 'file_name': 'a.png', 'width': 40, 'height': 30},
        {'id': 2, 'file_name': 'b.png', 'width': 40, 'height': 30},
    ],
    'categories': [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}],
    'annotations': [
        {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [1, 1, 9, 9], 'area': 81,
         'iscrowd': 0, 'segmentation': [[1, 1, 9, 1, 9, 9]]},
        {'id': 2, 'image_id': 2, 'category_id': 2, 'bbox': [1, 1, 9, 9], 'area': 81,
         'iscrowd': 1, 'segmentation': {'size': [30, 40], 'counts': [0, 1200]}},
    ],
}  # fmt: skip


def generate_list(rng: random.Random) -> bytes:
    """Lines that fit and lines that do not."""
    lines = [rng.choice(PARTS) for _ in range(rng.randint(0, 6))]
    if rng.random() < 0.5:  # a list of one sort: gets further
        lines = [rng.choice(PARTS[:2]) + rng.choice(('', ' 1', ' cat'))] * 3 + lines[:1]
    content = '\n'.join(lines).encode('utf-8', 'surrogatepass')
    return mutated(rng, content, [b'a.jpg 1\n']) if rng.random() < 0.4 else content


def read_list(path: Path) -> None:
    """The data set of a list, and its first item."""
    (path.parent / 'a.jpg').touch()
    data = ImageFiles(path)
    root = str(path.parent.resolve())
    for index in range(len(data)):
        assert str(Path(data.image_path(index)).resolve()).startswith(root)
    data[0]


def generate_coco(rng: random.Random) -> bytes:
    """Annotations with wrong values anywhere, or spoilt JSON."""
    content: dict = copy.deepcopy(COCO)
    for _ in range(rng.randint(1, 3)):
        rows = content[rng.choice(tuple(COCO))]
        if not isinstance(rows, list) or not rows or rng.random() < 0.1:
            content[rng.choice(tuple(COCO))] = copy.deepcopy(rng.choice(WRONG))
            continue
        row = rng.randrange(len(rows))
        if isinstance(rows[row], dict) and rng.random() < 0.9:
            value: object = copy.deepcopy(rng.choice(WRONG))
            key = rng.choice(tuple(rows[row]) or ('id',))
            if key == 'bbox' and rng.random() < 0.6:
                value = [value, 1, 1, 1]
            rows[row][key] = value
        else:
            rows[row] = copy.deepcopy(rng.choice(WRONG))
    text = json.dumps(content).encode()
    if rng.random() < 0.05:
        return rng.choice((b'[', b'{"a":')) * 100_000
    return mutated(rng, text, [text]) if rng.random() < 0.3 else text


def read_annotations(path: Path) -> None:
    """As training and ``tools/check_coco.py`` look at them."""
    coco = read_coco(path)
    folder = find_image_folder(coco, path.parent) or path.parent
    for masks in (False, True):
        stopping_faults(find_faults(coco, folder, True, masks), len(coco.annotations))


KINDS = (
    Kind('list', 0.08, '.txt', generate_list, read_list),
    Kind('coco', 0.08, '.json', generate_coco, read_annotations),
)
