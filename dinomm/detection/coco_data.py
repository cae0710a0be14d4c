"""A person's own COCO data in a detection config: files, classes and heads, set from one place.

Nothing here imports torch, so that mistakes show at once.
"""

from __future__ import annotations

import colorsys
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dinomm.config_check import nearest

from .coco_check import find_faults, stopping_faults
from .coco_file import (
    CocoFile,
    find_image_folder,
    find_json,
    image_folders,
    read_coco,
    usual_names,
)

PARTS = ('train', 'val', 'test')
KEYS = ('root', *PARTS, 'images', 'check')


def set_coco_data(config: Config, root: str | None = None) -> tuple[str, ...]:
    """Points a config of mmdet to COCO files and gives their classes to all that needs them.

    The files stand in the config under ``coco_data``, a dict of

    - ``root``: the folder that the others are relative to,
    - ``train``, ``val``, ``test``: annotation files; those not given are looked for under their
      usual names. Without ``val`` there is no validation; ``test`` is ``val`` by default.
    - ``images``: the folder of the images, if it is not found by itself,
    - ``check``: whether the annotation files are checked (True).

    Classes are the categories of the training file in their order. They are written into the data
    sets and into every ``num_classes`` of the model but its backbone's.

    Args:
        config: Changed in place. Left alone if it has no ``coco_data`` and no root is given.
        root: In the place of ``coco_data.root``.

    Returns:
        The classes, empty if the config was left alone.

    Raises:
        ValueError: Files are missing or faulty, their categories differ, or the config has no
            heads or data sets of the expected kind.
    """
    settings = _settings(config, root)
    if not settings:
        return ()
    folder = Path(settings['root']).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f'the data folder {folder} (--data, coco_data.root) does not exist; '
            '`python tools/prepare_data.py coco` composes a small one'
        )
    files = _find_files(settings, folder)
    masks = has_mask_head(config)
    classes: tuple[str, ...] = ()
    for part, path in files.items():
        coco = read_coco(path)
        images = _image_folder(settings, coco, folder)
        if settings.get('check', True):
            require_sound(coco, images, masks)
        classes = classes or _class_names(coco)
        _require_same_classes(classes, coco, files['train'])
        _set_part(config, part, folder, path, images)
    for part in PARTS[1:]:
        if part not in files:
            for suffix in ('dataloader', 'cfg', 'evaluator'):
                config[f'{part}_{suffix}'] = None
    set_classes(config, classes)
    return classes


def set_classes(config: Config, classes: Sequence[str]) -> None:
    """Writes classes into the data sets' ``metainfo`` and the model's heads.

    Raises:
        ValueError: No part of the model has ``num_classes``.
    """
    heads = list(_with_num_classes(config.model))
    if not heads:
        raise ValueError(
            'no part of the config.model has num_classes: classes can be set for detectors of '
            'mmdet alone'
        )
    for head in heads:
        head['num_classes'] = len(classes)
    for part in PARTS:
        loader = config.get(f'{part}_dataloader')
        if loader:
            _innermost(loader.dataset).metainfo = dict(
                classes=tuple(classes), palette=palette(len(classes))
            )


def has_mask_head(config: Config) -> bool:
    """Whether the detector learns masks."""
    return any('mask_head' in section for section in _sections(config.model))


def require_sound(coco: CocoFile, images: Path, masks: bool) -> None:
    """Stops at faults that training must not start with, and tells of the others.

    Raises:
        ValueError: There are such faults.
    """
    faults = find_faults(coco, images, masks=masks)
    stopping = stopping_faults(faults, len(coco.annotations))
    if stopping:
        lines = ''.join(f'\n- {fault}' for fault in stopping)
        raise ValueError(
            f'{coco.path} has faults:{lines}\nLook at all with `python tools/check_coco.py '
            f'{coco.path} {images}`; coco_data.check=False trains with them.'
        )
    for fault in faults:
        print(f'{coco.path}: {fault}', file=sys.stderr)


def palette(num_classes: int) -> list[tuple[int, int, int]]:
    """A colour (red, green, blue) a class, hues evenly spread."""
    colours = (
        colorsys.hsv_to_rgb(i / num_classes, 0.9, (1.0, 0.75)[i % 2]) for i in range(num_classes)
    )
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in colours]


def _settings(config: Config, root: str | None) -> dict[str, Any]:
    settings = dict(config.get('coco_data') or {})
    for key in settings:
        if key not in KEYS:
            near = nearest(key, KEYS)
            hint = f'; did you mean {near!r}?' if near else f'; known: {", ".join(KEYS)}'
            raise ValueError(f'coco_data takes no {key!r}{hint}')
    if root:
        settings['root'] = root
    if settings and not settings.get('root'):
        raise ValueError('coco_data.root is not given: name the folder of the data by --data')
    return settings


def _find_files(settings: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """The annotation files by part: as given, else by their usual names."""
    files = {}
    for part in PARTS:
        found = folder / settings[part] if settings.get(part) else find_json(folder, part)
        if found:
            files[part] = found
    if 'train' not in files:
        raise ValueError(
            f'{folder} has no annotation file to train on ({usual_names("train")}): name it, '
            'relative to the folder, by coco_data.train'
        )
    if 'val' in files:
        files.setdefault('test', files['val'])
    return files


def _image_folder(settings: Mapping[str, Any], coco: CocoFile, folder: Path) -> Path:
    if settings.get('images'):
        return folder / settings['images']
    found = find_image_folder(coco, folder)
    if found is None and coco.images:
        looked_in = ', '.join(map(str, image_folders(coco.path, folder)))
        raise ValueError(
            f'none of the images that {coco.path} names is there, the first is '
            f'{coco.images[0].get("file_name")!r}: looked in {looked_in}; name their folder, '
            'relative to the data folder, by coco_data.images'
        )
    return found or folder


def _class_names(coco: CocoFile) -> tuple[str, ...]:
    names = tuple(str(category.get('name')) for category in coco.categories)
    if not names:
        raise ValueError(f'{coco.path} lists no categories')
    return names


def _require_same_classes(classes: tuple[str, ...], coco: CocoFile, train: Path) -> None:
    """mmdet numbers classes by each file's order: another order would mix them up silently."""
    names = _class_names(coco)
    if names != classes:
        raise ValueError(
            f'{coco.path} has the categories {_shortened(names)}, but {train} has '
            f'{_shortened(classes)}: expected the same in the same order, and mmdet would mix them '
            'up otherwise'
        )


def _shortened(names: Sequence[str]) -> str:
    more = ', ...' if len(names) > 8 else ''
    return f'{len(names)} ({", ".join(names[:8])}{more})'


def _set_part(config: Config, part: str, folder: Path, path: Path, images: Path) -> None:
    loader = config.get(f'{part}_dataloader')
    if loader:
        dataset = _innermost(loader.dataset)
        if str(dataset.get('type')).removeprefix('mmdet.') != 'CocoDataset':
            raise ValueError(
                f'{part}_dataloader.dataset is a {dataset.get("type")!r}: COCO files fit '
                'configs with a CocoDataset'
            )
        dataset.update(
            data_root=str(folder),
            ann_file=_relative(path, folder),
            data_prefix=dict(img=_relative(images, folder)),
        )
    evaluators = config.get(f'{part}_evaluator') or []
    for evaluator in evaluators if isinstance(evaluators, list | tuple) else [evaluators]:
        if 'ann_file' in evaluator:
            evaluator.ann_file = str(path)


def _relative(path: Path, folder: Path) -> str:
    """Below the folder relative to it, else absolute: mmdet joins the two."""
    inside = os.path.relpath(path, folder)
    return str(path.absolute()) if inside.startswith(os.pardir) else '' if inside == '.' else inside


def _innermost(dataset: Any) -> Any:
    """The data set within wrappers such as RepeatDataset."""
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


def _with_num_classes(model: Mapping[str, Any]) -> Iterator[Any]:
    return (section for section in _sections(model) if 'num_classes' in section)


def _sections(section: Any) -> Iterator[Any]:
    """The dicts of a model, at any depth, in lists too; not those of its backbone."""
    if isinstance(section, Mapping):
        yield section
        for key, value in section.items():
            if key not in ('backbone', 'semantic_head'):
                yield from _sections(value)
    elif isinstance(section, list | tuple):
        for item in section:
            yield from _sections(item)
