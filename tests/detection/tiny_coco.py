"""A few pictures with COCO annotations, under the names of COCO 2017."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ('square', 'bar')


def write_coco(
    folder: Path,
    images: int = 4,
    size: tuple[int, int] = (96, 64),
    classes: Sequence[str] = CLASSES,
) -> Path:
    """``folder`` with annotations/, train2017/ and val2017/; two objects on each picture.

    They are of the first two classes; the files list all.
    """
    rng = np.random.default_rng(0)
    for part in ('train2017', 'val2017'):
        (folder / part).mkdir(parents=True)
        names, annotations = [], []
        for i in range(images):
            width, height = size
            picture = rng.integers(0, 80, (height, width, 3), dtype=np.uint8)
            for label, (w, h) in enumerate(((24, 24), (40, 12))):
                x = int(rng.integers(0, width - w))
                y = int(rng.integers(0, height // 2 - h + 1)) + label * height // 2
                picture[y : y + h, x : x + w] = (200, 60 + 120 * label, 40)
                annotations.append(
                    {
                        'id': len(annotations) + 1,
                        'image_id': i,
                        'category_id': label + 1,
                        'bbox': [x, y, w, h],
                        'area': w * h,
                        'iscrowd': 0,
                        'segmentation': [[x, y, x + w, y, x + w, y + h, x, y + h]],
                    }
                )
            Image.fromarray(picture).save(folder / part / f'{i}.png')
            names.append({'id': i, 'file_name': f'{i}.png', 'width': width, 'height': height})
        content = {
            'images': names,
            'annotations': annotations,
            'categories': [{'id': i + 1, 'name': name} for i, name in enumerate(classes)],
        }
        file = folder / 'annotations' / f'instances_{part}.json'
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
    return folder
