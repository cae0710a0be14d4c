import numpy as np
import pytest
import torch
from PIL import Image

from dinomm.evaluation.copy_detection import (
    CopyDescriptors,
    Square,
    copy_descriptor,
    find_copies,
    gem,
    learn_whitening,
    originals_of,
)
from dinomm.models.tokens import Tokens

from .networks import BACKBONES, network


def test_generalised_mean_by_hand():
    regions = torch.tensor([[[1.0, -5.0], [2.0, 0.0], [3.0, 2.0]]])
    expected = [(98 / 3) ** 0.25, (16 / 3) ** 0.25]
    torch.testing.assert_close(gem(regions), torch.tensor([expected]))
    torch.testing.assert_close(gem(regions.clamp(min=0.1), power=1), regions.clamp(min=0.1).mean(1))
    assert gem(regions.bfloat16()).dtype == torch.float32


def test_the_descriptor_is_the_view_beside_the_pooled_regions():
    tokens = Tokens(torch.tensor([[-1.0, 7.0]]), torch.full((1, 4, 2), 3.0), (2, 2))
    torch.testing.assert_close(copy_descriptor(tokens), torch.tensor([[-1.0, 7.0, 3.0, 3.0]]))


def test_whitened_features_are_uncorrelated_with_equal_energy():
    """Of centred features exactly; the mean of others is taken away first."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(200, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    features = features - features.mean(0)
    white = learn_whitening(features).apply(features).double()
    torch.testing.assert_close(white.T @ white / 200, torch.eye(6).double(), rtol=1e-4, atol=1e-4)
    shifted = learn_whitening(features + 5)
    torch.testing.assert_close(
        shifted.apply(features + 5).mean(0), torch.zeros(6), rtol=0, atol=1e-4
    )


def test_whitening_by_numpy_as_published():
    """Second moments about zero; energies of 1e-5 of the largest at least."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(5, 4)) + 1
    features[:, 3] = 1e-6 * rng.normal(size=5)
    energy, vectors = np.linalg.eigh(features.T @ features / 5)
    energy = np.maximum(energy, energy.max() * 1e-5)
    projection = np.diag(energy**-0.5) @ vectors.T
    expected = (features - features.mean(0)) @ projection.T
    found = learn_whitening(torch.from_numpy(features)).apply(torch.from_numpy(features)).numpy()
    # signs and order of the directions are free: products of features are not
    assert np.allclose(found @ found.T, expected @ expected.T, rtol=1e-4)
    with pytest.raises(ValueError, match='learns from many images, got 1'):
        learn_whitening(torch.ones(1, 4))


@pytest.fixture
def copydays(tmp_path):
    for name in (
        'original/200000.jpg',
        'original/200100.jpg',
        'strong/200000.jpg',
        'strong/200001.jpg',
        'strong/200100.jpg',
        'crops/50/200100.jpg',
        'crops/10/200000.jpg',
        'strong/readme.txt',
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'jpegqual' / '3').mkdir(parents=True)
    return tmp_path


def test_folders_of_copies(copydays):
    found = find_copies(copydays)
    assert [path[-10:] for path in found.originals] == ['200000.jpg', '200100.jpg']
    assert list(found.copies) == ['strong', 'crops/10', 'crops/50']
    assert [path[-10:-4] for path in found.copies['strong']] == ['200000', '200001', '200100']
    answers = originals_of(found.copies['strong'], found.originals)
    assert [answer.positives.tolist() for answer in answers] == [[0], [0], [1]]
    assert not any(len(answer.junk) for answer in answers)


def test_a_missing_folder_and_a_copy_of_nothing(copydays):
    (copydays / 'strong' / '209900.jpg').touch()
    found = find_copies(copydays)
    with pytest.raises(ValueError, match=r'209900.jpg is a copy of no original'):
        originals_of(found.copies['strong'], found.originals)
    with pytest.raises(ValueError, match='original, the folder of the originals, does not exist'):
        find_copies(copydays / 'strong')


@pytest.mark.parametrize('family', BACKBONES)
def test_descriptors_of_squares(family):
    frozen = network(family)
    picture = np.random.default_rng(0).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    square = Square(64)(picture, 0)
    pillows = Image.fromarray(picture).resize((64, 64), Image.Resampling.BICUBIC)
    assert np.abs(square.astype(int) - np.asarray(pillows)).max() <= 1
    pictures = [torch.from_numpy(square).permute(2, 0, 1)] * 2
    rows = CopyDescriptors()(frozen, pictures)
    preprocessor = frozen.data_preprocessor
    images = (pictures[0][None] - preprocessor.mean) / preprocessor.std
    output = frozen.backbone(images)[-1]
    if output.ndim == 4:
        regions = output.flatten(2).transpose(1, 2)[0]
        view = regions.mean(0)
    else:
        view, regions = output[0, 0], output[0, 1:]
    pooled = regions.clamp(min=1e-6).double().pow(4).mean(0).pow(0.25).float()
    expected = torch.cat([view, pooled]).expand(2, -1)
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-4)
