from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from dinomm.datasets import ImageFiles
from dinomm.datasets.transforms import LoadImage
from dinomm.evaluation.cache import FeatureCache
from dinomm.evaluation.features import Extraction
from dinomm.evaluation.images import (
    Pictures,
    ToPicture,
    describe_pictures,
    encode_whole_patches,
    list_images,
    normalised,
    patch_stride,
    whole_patches,
)
from dinomm.evaluation.retrieval import Thumbnail

from .networks import BACKBONES, PATCH, network


@pytest.fixture
def files(tmp_path):
    """Five images of sizes of their own; the number is the level of red."""
    paths = []
    for i in range(5):
        picture = np.zeros((10 + i, 20, 3), np.uint8)
        picture[..., 0] = i
        Image.fromarray(picture).save(tmp_path / f'{i}.png')
        paths.append(str(tmp_path / f'{i}.png'))
    return paths


def left_part(picture, number, width):
    return picture[:, : width + number]


def shapes_and_red(_, pictures):
    return torch.tensor([[*picture.shape, picture[0].max()] for picture in pictures]).float()


@pytest.mark.parametrize('workers', [0, 2])
def test_pictures_are_prepared_and_described_in_order(files, workers):
    pictures = Pictures(files, partial(left_part, width=3))
    rows = describe_pictures(None, pictures, shapes_and_red, Extraction(2, workers), 'tests')
    assert rows.tolist() == [[3, 10 + i, 3 + i, i] for i in range(5)]


@pytest.mark.parametrize('workers', [0, 2])
def test_a_ranking_needs_every_image(files, workers):
    open(files[3], 'w').close()
    pictures = Pictures(files, partial(left_part, width=3))
    with pytest.raises(ValueError, match=r'cannot read .*3.png: it is empty') as raised:
        describe_pictures(None, pictures, shapes_and_red, Extraction(2, workers), 'tests')
    assert 'Traceback' not in str(raised.value)


@pytest.mark.parametrize('workers', [0, 2])
def test_image_files_do_not_hide_what_they_replaced(files, tmp_path, workers):
    open(files[3], 'w').close()
    pictures = ImageFiles(tmp_path, [LoadImage(), ToPicture(partial(left_part, width=3))])
    with pytest.raises(ValueError, match=r'1 images cannot be read, among them .*3.png'):
        describe_pictures(None, pictures, shapes_and_red, Extraction(2, workers), 'tests')


@dataclass(frozen=True)
class Describe:
    factor: int = 1
    calls: list = field(default_factory=list, repr=False)

    def __call__(self, _, pictures):
        self.calls.append(len(pictures))
        return self.factor * shapes_and_red(_, pictures)


def test_features_are_kept_until_something_changes(files, tmp_path):
    frozen, told = network('vit'), []
    how = Extraction(5, 0, FeatureCache(tmp_path / 'features'), told.append)

    def computed(describe, width=3, paths=files):
        rows = describe_pictures(frozen, Pictures(paths, Thumbnail(width)), describe, how, 'tests')
        assert rows[:, 2].max() == width * describe.factor
        return len(describe.calls)

    assert computed(Describe()) == 1
    assert computed(Describe()) == 0 and 'tests: features of 5 images from' in told[0]
    assert computed(Describe(2)) == 1
    assert computed(Describe(), width=4) == 1
    assert computed(Describe(), paths=files[:4]) == 1
    Image.new('RGB', (30, 8)).save(files[0])
    assert computed(Describe()) == 1
    assert computed(Describe()) == 0


def test_gray_and_16_bit_and_transparent_images(tmp_path):
    gray = np.full((4, 4), 51, np.uint8)
    Image.fromarray(gray).save(tmp_path / '0.png')
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / '1.png')
    Image.fromarray(np.full((4, 4, 4), (51, 51, 51, 255), np.uint8)).save(tmp_path / '2.png')
    pictures = Pictures(list_images(tmp_path, 'tests'), lambda picture, _: picture)
    assert all((pictures[i] == 51).all() and pictures[i].shape == (3, 4, 4) for i in range(3))


def test_a_folder_without_images_and_none(tmp_path):
    (tmp_path / 'readme.txt').touch()
    with pytest.raises(ValueError, match='the folder of originals, has no image'):
        list_images(tmp_path, 'originals')
    with pytest.raises(ValueError, match='the folder of originals, does not exist'):
        list_images(tmp_path / 'none', 'originals')


@pytest.mark.parametrize('family', BACKBONES)
def test_an_image_of_no_whole_patches(family):
    frozen = network(family)
    is_vit = 'vit' in family
    assert patch_stride(frozen.backbone) == ((PATCH, PATCH) if is_vit else (1, 1))
    picture = torch.randint(256, (1, 3, 70, 85), dtype=torch.uint8)
    tokens = encode_whole_patches(frozen, normalised(frozen, picture))
    if is_vit:
        assert tokens.grid == (8, 10)
        cut = encode_whole_patches(frozen, normalised(frozen, picture[..., :64, :80]))
        assert torch.equal(tokens.region, cut.region)
    assert tokens.region.shape[1] == tokens.grid[0] * tokens.grid[1]


def test_an_image_smaller_than_a_patch():
    with pytest.raises(ValueError, match='an image of 7x40 pixels is smaller than a patch of 8x8'):
        whole_patches(network('vit').backbone, torch.zeros(1, 3, 7, 40))
