"""COCO annotation files: found in a folder, read, and the folder of their images found.

Nothing here imports torch, so that mistakes show at once.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from dinomm.foreign_names import fault_of_name

PART_NAMES = {'train': ('train',), 'val': ('val', 'valid', 'validation'), 'test': ('test',)}
PATTERNS = (
    '{}.json',
    'annotations/{}.json',
    'annotations/instances_{}.json',
    'annotations/instances_{}20[0-9][0-9].json',
    '{}/_annotations.coco.json',
)
"""Where annotation files usually lie, in plain, COCO's and CVAT's layout, Roboflow's."""
LISTS = ('images', 'annotations', 'categories')
LOOKED_FOR = 50
"""Images of a file that are looked for in each folder that may hold them."""


class CocoFile(NamedTuple):
    """An annotation file as read; its three lists hold dicts and nothing else."""

    path: Path
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]


def read_coco(path: Path) -> CocoFile:
    """Reads an annotation file.

    Raises:
        ValueError: It is not there, is no JSON, or lacks one of COCO's three lists.
    """
    if not path.is_file():
        raise ValueError(f'annotation file {path} does not exist')
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is no JSON: {error}') from None
    expected = (
        f'{path} is no COCO annotation file: expected an object with the lists {", ".join(LISTS)}'
    )
    if not isinstance(content, dict):
        raise ValueError(f'{expected}, but it holds a {type(content).__name__}')
    for name in LISTS:
        entries = content.get(name)
        if not isinstance(entries, list):
            raise ValueError(f'{expected}, but {name!r} is missing or no list')
        for i, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise ValueError(f'{expected} of objects, but {name}[{i}] is {entry!r:.60}')
    return CocoFile(path, *(content[name] for name in LISTS))


def find_json(root: Path, part: str) -> Path | None:
    """The annotation file of a part ('train', 'val', 'test') by its usual names; None: no file.

    Raises:
        ValueError: There are several.
    """
    names = PART_NAMES[part]
    found = [path for p in PATTERNS for name in names for path in sorted(root.glob(p.format(name)))]
    if len(found) > 1:
        listed = ', '.join(str(path.relative_to(root)) for path in found)
        raise ValueError(
            f'{root} has several annotation files to choose from ({listed}): name one by '
            f'coco_data.{part}'
        )
    return found[0] if found else None


def usual_names(part: str) -> str:
    """Where :func:`find_json` looks, for a sentence."""
    return ', '.join(p.format(PART_NAMES[part][0]) for p in PATTERNS)


def find_image_folder(coco: CocoFile, root: Path) -> Path | None:
    """The folder that most of a file's images are in, by the usual layouts; None: in none.

    Looks beside the annotation file and in ``root``: there, in ``images``, and in folders named
    after the annotation file.
    """
    names = [str(image.get('file_name')) for image in coco.images[:LOOKED_FOR]]
    names = [name for name in names if not fault_of_name(name)]
    present = {
        folder: sum(os.path.isfile(folder / name) for name in names)
        for folder in image_folders(coco.path, root)
    }
    best = max(present, key=lambda folder: present[folder])
    return best if present[best] else None


def image_folders(path: Path, root: Path) -> list[Path]:
    """The folders that may hold the images of an annotation file."""
    stem = path.stem.removeprefix('instances_')
    names = ('', stem, 'images', f'images/{stem}', path.stem)
    bases = [path.parent, root, path.parent.parent]
    folders = [base / name for base in bases for name in names]
    return list(dict.fromkeys(folder for folder in folders if folder.is_dir()))
