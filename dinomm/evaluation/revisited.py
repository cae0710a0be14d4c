"""The ground truth of the revisited Oxford and Paris sets (arXiv:1803.11285)."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dinomm.foreign_names import fault_of_name

from .plain_pickle import load_plain_pickle
from .ranking import Relevance

SETTINGS = {
    'easy': (('easy',), ('junk', 'hard')),
    'medium': (('easy', 'hard'), ('junk',)),
    'hard': (('hard',), ('junk', 'easy')),
}
"""Setting to the lists of a query that are its positives, and those that do not count."""

Box = tuple[float, float, float, float]


class GroundTruth(NamedTuple):
    """Images and queries of a set.

    Attributes:
        images: Files of the database.
        queries: Files of the queries.
        boxes: (left, top, right, bottom) of the queried building in each query, pixels.
        relevance: For each of :data:`SETTINGS` what answers each query.
    """

    images: list[str]
    queries: list[str]
    boxes: list[Box]
    relevance: dict[str, list[Relevance]]


def find_ground_truth(folder: str | Path) -> Path | None:
    """``gnd_<set>.pkl`` or ``gnd_<set>.json`` of a folder, if it has one.

    Raises:
        ValueError: It has several.
    """
    folder = Path(folder)
    found = sorted(p for p in folder.glob('gnd_*') if p.suffix in ('.pkl', '.json'))
    names = {path.stem for path in found}
    if len(names) > 1:
        raise ValueError(
            f'{folder} has the ground truth of several sets ({", ".join(sorted(names))}): give '
            'the folder of one, with its images in jpg/'
        )
    return found[0] if found else None


def read_ground_truth(path: str | Path) -> GroundTruth:
    """Reads ``gnd_<set>.pkl`` as it is published, or the same structure as JSON.

    A dict with ``imlist`` and ``qimlist`` (names in the folder ``jpg`` beside the file, without
    ``.jpg``) and ``gnd``: for each query a dict of ``bbx`` and the numbers of the images that are
    ``easy``, ``hard`` and ``junk``. The pickle is read as data: nothing in it is run.

    Raises:
        ValueError: The file holds something else.
    """
    path = Path(path)
    content = _read(path)
    try:
        names, query_names = list(content['imlist']), list(content['qimlist'])
        answers = list(content['gnd'])
        boxes = [_box(answer['bbx']) for answer in answers]
        lists = [
            {key: _numbers(answer[key], len(names)) for key in ('easy', 'hard', 'junk')}
            for answer in answers
        ]
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise ValueError(
            f'{path}: {type(error).__name__}: {error}; expected imlist, qimlist and gnd with a bbx '
            'of four numbers, easy, hard and junk for each query'
        ) from None
    if len(answers) != len(query_names) or not answers:
        raise ValueError(
            f'{path} answers {len(answers)} of {len(query_names)} queries: expected a gnd for '
            'each name of qimlist'
        )
    for name in map(str, names + query_names):
        if fault := fault_of_name(name):
            raise ValueError(f'{path} names {name!r:.200}, which {fault}: expected names in jpg/')
    relevance = {
        setting: [
            Relevance(
                np.concatenate([of_query[key] for key in positives]),
                np.concatenate([of_query[key] for key in junk]),
            )
            for of_query in lists
        ]
        for setting, (positives, junk) in SETTINGS.items()
    }
    images, queries = (
        [str(path.parent / 'jpg' / f'{name}.jpg') for name in group]
        for group in (names, query_names)
    )
    return GroundTruth(images, queries, boxes, relevance)


def _read(path: Path) -> Any:
    if path.suffix != '.json':
        return load_plain_pickle(path)
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is no JSON: {error}') from None


def _box(values: Any) -> Box:
    left, top, right, bottom = (float(edge) for edge in values)
    return left, top, right, bottom


def _numbers(values: Any, images: int) -> np.ndarray:
    numbers = np.asarray(values, dtype=np.int64).reshape(-1)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < images:
        raise ValueError(f'image {numbers.max()} of {images}')
    return numbers
