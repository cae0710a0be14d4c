import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_image():
    """Writes a smooth random picture; the path decides the format, the seed the picture."""

    def write(path, height=40, width=60, seed=0):
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
        return path

    return write


@pytest.fixture
def class_folders(tmp_path, write_image):
    """Two class folders of six PNG files each."""
    for i in range(12):
        write_image(tmp_path / ('cat' if i % 2 else 'dog') / f'{i:02}.png', seed=i)
    return tmp_path
