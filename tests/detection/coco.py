"""A COCO data set of two classes, and cut-outs to compose one of, written in milliseconds."""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 40


def content(num_images: int = 3) -> dict:
    """Two boxes an image: a square polygon of class 'cat', a run-length mask of class 'dog'."""
    images = [
        {'id': i, 'file_name': f'{i}.png', 'width': SIDE, 'height': SIDE}
        for i in range(1, num_images + 1)
    ]
    annotations = []
    for image in images:
        common = {'image_id': image['id'], 'iscrowd': 0, 'area': 100, 'bbox': [5, 5, 10, 10]}
        square = [5, 5, 15, 5, 15, 15, 5, 15]
        # columns are run through from the top: 5 of them, 5 pixels, then 10 of each of 10 columns
        counts = [5 * SIDE + 5, *([10, SIDE - 10] * 10)]
        counts[-1] += SIDE * SIDE - sum(counts)
        lengths = {'size': [SIDE, SIDE], 'counts': counts}
        for category_id, segmentation in ((1, [square]), (2, lengths)):
            number = len(annotations) + 1
            annotations.append(
                {**common, 'id': number, 'category_id': category_id, 'segmentation': segmentation}
            )
    categories = [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}]
    return {'images': images, 'annotations': annotations, 'categories': categories}


def write(path: Path, what: dict, images: Path | None = None) -> Path:
    """Writes an annotation file, and its images if a folder is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(what))
    if images is not None:
        images.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8))
        for image in what['images']:
            picture.save(images / image['file_name'])
    return path


def cutout(path: Path, colour=(200, 0, 0), size=(40, 20)) -> Path:
    """Writes an ellipse with a transparent margin."""
    picture = Image.new('RGBA', size)
    ImageDraw.Draw(picture).ellipse((5, 5, size[0] - 6, size[1] - 6), fill=(*colour, 255))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def write_own(folder: Path) -> Path:
    """Writes cutouts/{cat,dog}, five of each, and four photographs in photos/trip."""
    for name in ('cat', 'dog'):
        for i in range(5):
            cutout(folder / 'cutouts' / name / f'{i}.png')
    (folder / 'photos/trip').mkdir(parents=True)
    for i in range(4):
        Image.new('RGB', (60, 50), (i, 90, 90)).save(folder / f'photos/trip/{i}.jpg')
    return folder
