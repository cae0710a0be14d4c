"""What is wrong with a COCO annotation file, found before training."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dinomm.foreign_names import fault_of_name

from .coco_file import CocoFile, find_image_folder, read_coco

MAX_EXAMPLES = 3
BEYOND_EDGE = 1.0
"""Pixels that a box may reach over the image's edge, as conversions round."""
FEW = 0.001
"""Share of annotations with a fault that mmdet leaves out; above it training stops."""
REQUIRED: dict[str, dict[str, type | tuple[type, ...]]] = {
    'image': {'id': int, 'file_name': str, 'width': int, 'height': int},
    'category': {'id': int, 'name': str},
    'annotation': {
        'id': int,
        'image_id': int,
        'category_id': int,
        'bbox': list,
        'area': (int, float),
        'iscrowd': int,
    },
}
NOTES = {'unused category'}
"""Kinds that training gets on with."""
LEFT_OUT = {'empty box', 'box outside', 'short polygon', 'bad mask'}
"""Kinds of single annotations that mmdet leaves out of training."""


class Fault(NamedTuple):
    """One kind of fault: how often, what it means, the first places."""

    kind: str
    occurrences: int
    meaning: str
    examples: list[str]

    def __str__(self) -> str:
        more = ', ...' if self.occurrences > len(self.examples) else ''
        return f'{self.occurrences} x {self.meaning}: {", ".join(self.examples)}{more}'


MEANINGS = {
    'no images': 'the list of images is empty',
    'no annotations': 'the list of annotations is empty, there is nothing to learn',
    'incomplete': 'a key is missing or of another type',
    'duplicate image id': 'an image id is given twice, the later entry hides the earlier',
    'duplicate category id': 'a category id is given twice',
    'duplicate category name': 'a category name is given twice, their numbers cannot be told apart',
    'duplicate annotation id': 'an annotation id is given twice, the later one hides the earlier',
    'annotation id 0': "an annotation has id 0, which the metric takes for 'not found'",
    'unknown image': 'an annotation belongs to an image that is not listed',
    'unknown category': 'an annotation has a category that is not listed',
    'unused category': 'a category has no annotation',
    'empty box': 'a box is empty, its width or height is not above 0',
    'box outside': 'a box lies outside its image or reaches over its edge',
    'short polygon': 'a polygon has fewer than three points or an odd number of coordinates',
    'bad mask': 'a run-length mask is broken or of another size than its image',
    'no mask': 'an annotation has no segmentation, and the network learns masks',
    'outside folder': 'an image is named outside the folder of the images',
    'missing file': 'an image file is missing',
    'unreadable file': 'an image file cannot be read',
    'other size': 'an image file has another size than is stated',
}


class _Collector:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def __call__(self, kind: str, example: str) -> None:
        self.counts[kind] += 1
        examples = self.examples.setdefault(kind, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(example)

    def faults(self) -> list[Fault]:
        return [
            Fault(kind, self.counts[kind], meaning, self.examples[kind])
            for kind, meaning in MEANINGS.items()
            if kind in self.counts
        ]


def report(path: Path, images: Path | None = None) -> None:
    """Prints what :func:`find_faults` finds in a file and in its images.

    Args:
        path: The annotation file.
        images: The folder of its images; None: looked for near the file.

    Raises:
        ValueError: There are faults, or the file cannot be read at all.
    """
    if images is not None and not images.is_dir():
        raise ValueError(f'{images} is no folder of images')
    coco = read_coco(path)
    folder = images or find_image_folder(coco, path.parent) or path.parent
    print(
        f'{path}: {len(coco.images)} images in {folder}, {len(coco.annotations)} annotations, '
        f'{len(coco.categories)} categories'
    )
    faults = find_faults(coco, folder, open_files=True)
    if faults:
        print(*(f'- {fault}' for fault in faults), sep='\n', flush=True)
        kinds = 'a kind' if len(faults) == 1 else f'{len(faults)} kinds'
        raise ValueError(f'{path} has {kinds} of faults')
    print('No faults.')


def find_faults(
    coco: CocoFile, images: Path | None, open_files: bool = False, masks: bool = False
) -> list[Fault]:
    """Looks for every kind of :data:`MEANINGS`.

    Args:
        coco: What was read.
        images: The folder that the file names are relative to; None leaves the files alone.
        open_files: Also compare the stated sizes with the files'.
        masks: Whether each annotation needs a mask.
    """
    add = _Collector()
    if not coco.images:
        add('no images', coco.path.name)
    if not coco.annotations:
        add('no annotations', coco.path.name)
    whole = {
        kind: list(_complete(entries, kind, add))
        for kind, entries in (
            ('image', coco.images),
            ('category', coco.categories),
            ('annotation', coco.annotations),
        )
    }
    for kind, entries in whole.items():
        for repeated in _repeated(entry['id'] for entry in entries):
            add(f'duplicate {kind} id', str(repeated))
    for repeated in _repeated(category['name'] for category in whole['category']):
        add('duplicate category name', repr(repeated))
    _check_annotations(whole, masks, add)
    if images is not None:
        _check_files(whole['image'], images, open_files, add)
    return add.faults()


def stopping_faults(faults: Iterable[Fault], num_annotations: int) -> list[Fault]:
    """Faults that training must not start with.

    Not among them: unused categories, and what mmdet leaves out by itself if it is at most
    :data:`FEW` of the annotations (COCO's own training file has two empty boxes).
    """
    return [
        fault
        for fault in faults
        if fault.kind not in NOTES
        and not (fault.kind in LEFT_OUT and fault.occurrences <= FEW * num_annotations)
    ]


def _complete(entries: list[dict], kind: str, add: _Collector) -> Iterator[dict]:
    """The entries that have all keys; the others are faults."""
    for i, entry in enumerate(entries):
        lacking = [
            key
            for key, types in REQUIRED[kind].items()
            if not isinstance(entry.get(key), types) or isinstance(entry.get(key), bool)
        ]
        if kind == 'annotation' and not lacking and not _is_box(entry['bbox']):
            lacking = ['bbox']
        if lacking:
            add('incomplete', f'{kind} {entry.get("id", f"at position {i}")} ({lacking[0]})')
        else:
            yield entry


def _check_annotations(whole: dict[str, list[dict]], masks: bool, add: _Collector) -> None:
    images = {image['id']: image for image in whole['image']}
    categories = {category['id']: category['name'] for category in whole['category']}
    used = set()
    for annotation in whole['annotation']:
        where = f'annotation {annotation["id"]}'
        if annotation['id'] == 0:
            add('annotation id 0', f'image {annotation["image_id"]}')
        if annotation['category_id'] not in categories:
            add('unknown category', f'{where} (category {annotation["category_id"]})')
        used.add(annotation['category_id'])
        image = images.get(annotation['image_id'])
        if image is None:
            add('unknown image', f'{where} (image {annotation["image_id"]})')
            continue
        _check_box(annotation['bbox'], image, where, add)
        segmentation = annotation.get('segmentation')
        if not segmentation and masks:
            add('no mask', where)
        elif segmentation and (kind := _mask_fault(segmentation, image)):
            add(kind, where)
    for number in categories.keys() - used:
        add('unused category', f'{number} ({categories[number]})')


def _check_box(box: list[float], image: dict, where: str, add: _Collector) -> None:
    x, y, width, height = box
    if width <= 0 or height <= 0:
        add('empty box', f'{where} {box}')
    elif (
        min(x, y) < -BEYOND_EDGE
        or x + width > image['width'] + BEYOND_EDGE
        or y + height > image['height'] + BEYOND_EDGE
    ):
        add('box outside', f'{where} {box} in {image["width"]}x{image["height"]}')


def _mask_fault(segmentation: Any, image: dict) -> str | None:
    """The kind of fault of a mask: polygons, or run lengths as a list or compressed."""
    if isinstance(segmentation, list):
        sound = all(
            isinstance(polygon, list)
            and len(polygon) >= 6
            and len(polygon) % 2 == 0
            and all(map(_is_number, polygon))
            for polygon in segmentation
        )
        return None if sound else 'short polygon'
    from pycocotools.mask import area, frPyObjects

    size = [image['height'], image['width']]
    if not isinstance(segmentation, dict) or segmentation.get('size') != size:
        return 'bad mask'
    counts = segmentation.get('counts')
    try:
        if isinstance(counts, list):
            frPyObjects(segmentation, *size)
            sound = sum(counts) == math.prod(size)
        else:
            sound = 0 < area(segmentation) <= math.prod(size)
    except (KeyError, TypeError, ValueError, OverflowError):
        sound = False
    return None if sound else 'bad mask'


def _check_files(images: list[dict], folder: Path, open_files: bool, add: _Collector) -> None:
    from PIL import Image

    for image in images:
        path = folder / image['file_name']
        if fault := fault_of_name(image['file_name']):
            add('outside folder', f'{image["file_name"]!r:.200} {fault}')
        elif not os.path.isfile(path):
            add('missing file', str(path))
        elif open_files:
            try:
                with Image.open(path) as picture:
                    width, height = picture.size
            except Exception:  # decoders raise nearly everything on a damaged file
                add('unreadable file', str(path))
                continue
            if (width, height) != (image['width'], image['height']):
                stated = f'{image["width"]}x{image["height"]}'
                add('other size', f'{path} is {width}x{height}, stated {stated}')


def _repeated(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def _is_box(box: list) -> bool:
    return len(box) == 4 and all(map(_is_number, box))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
