import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from PIL import Image

from dinomm.evaluation.ranking import RankingQuality
from dinomm.evaluation.retrieval import (
    SCALES,
    RetrievalFeatures,
    Thumbnail,
    as_figures,
    crop_to_box,
    labelled_pictures,
    multi_scale_features,
)

from .networks import BACKBONES, network

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def test_a_thumbnail_is_pillows():
    image = Image.fromarray(PICTURE)
    image.thumbnail((64, 64), Image.Resampling.LANCZOS)
    assert np.array_equal(Thumbnail(64)(PICTURE, 0), np.asarray(image))
    assert Thumbnail(64)(PICTURE, 0).shape == (48, 64, 3)
    assert np.array_equal(Thumbnail(224)(PICTURE, 0), PICTURE)  # nothing is enlarged


def test_a_query_is_cut_to_its_own_box():
    prepare = Thumbnail(224, [(0, 0, 1, 1), (9.6, 20.2, 40, 50.4)])
    assert np.array_equal(prepare(PICTURE, 1), PICTURE[20:50, 10:40])
    assert crop_to_box(PICTURE, (-5, 60, 500, 500)).shape == (30, 120, 3)
    with pytest.raises(ValueError, match='holds nothing of a picture of 120x90 pixels'):
        crop_to_box(PICTURE, (130, 10, 140, 20))


@pytest.mark.parametrize('family', BACKBONES)
def test_multi_scale_features_image_by_image(family):
    """Each is divided by its own length, whatever the batch."""
    frozen = network(family)
    images = torch.randn(2, 3, 96, 80, generator=torch.Generator().manual_seed(0))
    features = multi_scale_features(frozen, images)
    for image, row in zip(images.split(1), features, strict=True):
        total = 0
        for scale in (1, 2**-0.5, 0.5):
            size = (int(96 * scale), int(80 * scale))
            small = F.interpolate(image, scale_factor=scale, mode='bilinear')
            assert small.shape[-2:] == size
            if 'vit' in family:
                small = small[..., : size[0] // 8 * 8, : size[1] // 8 * 8]
            output = frozen.backbone(small)[-1]
            if output.ndim == 4:
                total = total + output.mean((2, 3))[0]
            else:
                total = total + output[0, 0]
        torch.testing.assert_close(row, F.normalize(total, dim=0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))


def test_pictures_of_several_sizes_in_one_batch_come_in_their_order():
    frozen = network('vit')
    pictures = [
        torch.randint(256, (3, *size), dtype=torch.uint8)
        for size in ((40, 64), (64, 40), (40, 64), (33, 60))
    ]
    together = RetrievalFeatures()(frozen, pictures)
    alone = torch.cat([RetrievalFeatures()(frozen, [picture]) for picture in pictures])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    at_one_scale = RetrievalFeatures((1.0,))(frozen, pictures)
    assert not torch.allclose(together, at_one_scale, atol=1e-3)
    assert len(SCALES) == 3


def test_figures_are_percentages_and_none_without_a_query():
    quality = RankingQuality(0.25, {1: 0.5, 5: float('nan')}, np.array([0.25]))
    assert as_figures(quality) == {'mAP': 25.0, 'mP@1': 50.0, 'mP@5': None}


def write(folder, classes, images=2):
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(images):
            Image.fromarray(PICTURE[: 20 + i]).save(folder / name / f'{i}.png')
    return folder


def test_images_of_a_folder_with_their_labels(tmp_path):
    pictures, labels = labelled_pictures(
        Config(), str(write(tmp_path, ['cat', 'dog', 'elk'])), Thumbnail(12)
    )
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert pictures[1].shape == (3, 2, 12) and pictures[1].dtype == torch.uint8


def test_some_of_a_folder_and_its_val_beside_a_train(tmp_path):
    write(tmp_path / 'train', ['cat', 'dog'])
    write(tmp_path / 'val', ['cat', 'dog'], images=3)
    pictures, labels = labelled_pictures(Config(), str(tmp_path), Thumbnail(12), most=3)
    assert len(pictures) == 3 and labels.tolist() == [0, 0, 1]


def test_the_configs_images(tmp_path):
    root = str(write(tmp_path, ['cat', 'dog']))
    dataset = dict(type='ImageFiles', root=root, labels='folder', pipeline=[], _scope_='dinomm')
    config = Config(dict(val_dataloader=dict(dataset=dataset)))
    _, labels = labelled_pictures(config, None, Thumbnail(12))
    assert labels.tolist() == [0, 0, 1, 1]


def test_no_labels_no_images_no_folder(tmp_path):
    (tmp_path / 'a.png').touch()
    with pytest.raises(ValueError, match='are of no two classes: put them into a folder for each'):
        labelled_pictures(Config(), str(tmp_path), Thumbnail(12))
    with pytest.raises(ValueError, match='no val_dataloader'):
        labelled_pictures(Config(), None, Thumbnail(12))
    with pytest.raises(ValueError, match=r'--data is .*none, which does not exist'):
        labelled_pictures(Config(), str(tmp_path / 'none'), Thumbnail(12))
