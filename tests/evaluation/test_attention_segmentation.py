import numpy as np
import pytest
import torch
from PIL import Image

from dinomm.evaluation.attention_segmentation import (
    AnnotatedImage,
    AttentionOverlap,
    annotated_masks,
    attention_masks,
    class_attention,
    find_annotated,
    measure_image,
    overlap_with_attention,
    require_mass,
    summarise,
)
from dinomm.evaluation.masks import usual_palette, write_mask

from .folders import write_voc
from .networks import network


def largest_until_mass(attention, mass):
    """Place by place from the largest, until they hold the mass."""
    kept, held = np.zeros(len(attention), bool), 0.0
    for place in np.argsort(-attention):
        if held >= mass * attention.sum():
            break
        kept[place] = True
        held += attention[place]
    return kept


def test_masks_hold_the_mass_by_hand():
    attention = torch.tensor([[0.1, 0.4, 0.2, 0.3], [4.0, 0.0, 0.0, 0.0]])
    assert attention_masks(attention, 0.6).int().tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]
    assert attention_masks(attention[:1], 0.75).int().tolist() == [[0, 1, 1, 1]]
    assert attention_masks(torch.ones(4), 1.0).all()


def test_masks_hold_the_mass_from_the_largest():
    attention = torch.rand(7, 50, generator=torch.Generator().manual_seed(0)) ** 3
    masks = attention_masks(attention)
    for of_head, mask in zip(attention.numpy(), masks.numpy(), strict=True):
        assert np.array_equal(mask, largest_until_mass(of_head, 0.6))


@pytest.mark.parametrize('mass', [0, -0.5, 1.5])
def test_no_share(mass):
    with pytest.raises(ValueError, match='expected a share'):
        require_mass(mass)
    with pytest.raises(ValueError, match='expected a share'):
        attention_masks(torch.ones(3), mass)


def test_masks_of_an_annotation():
    mask = np.array([[0, 3, 3], [255, 7, 0]], np.uint8)
    assert annotated_masks(mask, 'class').astype(int).tolist() == [
        [[0, 1, 1], [0, 0, 0]],
        [[0, 0, 0], [0, 1, 0]],
    ]
    assert annotated_masks(mask, 'foreground').astype(int).tolist() == [[[0, 1, 1], [0, 1, 0]]]
    for kind in ('class', 'foreground'):
        assert annotated_masks(np.zeros((2, 3), np.uint8), kind).shape == (0, 2, 3)


def test_overlap_by_hand():
    """Patches of 2x2; the first head sees the left half, the second the upper right quarter."""
    attention = torch.tensor([[0.5, 0.0, 0.4, 0.1], [0.1, 0.8, 0.1, 0.0]])
    mask = np.zeros((4, 4), np.uint8)
    mask[:2, 2:] = 5
    mask[2:, 1:] = 9
    mask[3, 3] = mask[0, 0] = 255
    overlap = overlap_with_attention(attention, (2, 2), mask, 'class')
    # the heads' mean is [.3, .4, .25, .05]: the upper half
    assert overlap[0, :2].tolist() == pytest.approx([0, 1])
    assert overlap[1, :2].tolist() == pytest.approx([2 / 10, 0])
    assert overlap.shape == (2, 3) and overlap[0, 2] == pytest.approx(4 / 7)


def test_class_attention_is_that_of_the_class_token():
    frozen = network('vit')
    images = torch.randn(2, 3, 32, 48)
    attention, grid = class_attention(frozen.backbone, images)
    whole = frozen.backbone.last_attention(images)
    assert grid == (4, 6) and torch.equal(attention, whole[:, :, 0, 1:])


@pytest.mark.parametrize('family', ['swin', 'resnet'])
def test_a_backbone_without_a_class_token(family):
    with pytest.raises(ValueError, match='has no class token whose attention'):
        class_attention(network(family).backbone, torch.zeros(1, 3, 64, 64))


@pytest.fixture
def voc(tmp_path):
    return write_voc(tmp_path)


def test_images_of_the_list(voc):
    found = find_annotated(voc, 'object')
    assert [pair.image.name for pair in found] == ['a.jpg', 'b.jpg', 'c.jpg']
    assert {pair.mask.parent.name for pair in found} == {'SegmentationObject'}
    assert [pair.image.name for pair in find_annotated(voc, most=2)] == ['a.jpg', 'c.jpg']
    (voc / 'SegmentationClass' / 'b.png').unlink()
    with pytest.raises(ValueError, match=r'b.png does not exist, but .*val.txt names it'):
        find_annotated(voc)
    with pytest.raises(ValueError, match=r'train.txt does not exist: expected a folder as VOCdevk'):
        find_annotated(voc, subset='train')
    (voc / 'ImageSets/Segmentation/val.txt').write_text('')
    with pytest.raises(ValueError, match='names no image'):
        find_annotated(voc)


@pytest.mark.parametrize('kind', ['class', 'object', 'foreground'])
def test_an_image_step_by_step(voc, kind):
    """At 52 px, of which six patches of 8 are looked at."""
    frozen = network('vit')
    annotated = find_annotated(voc, kind)[0]
    overlap = measure_image(frozen, annotated, kind, mass=0.5, size=52)
    image = Image.open(annotated.image).resize((52, 52), Image.Resampling.BICUBIC)
    picture = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None, :, :48, :48]
    preprocessor = frozen.data_preprocessor
    images = (picture - preprocessor.mean) / preprocessor.std
    attention = frozen.backbone.last_attention(images)[0, :, 0, 1:].numpy()
    truth = np.array(Image.open(annotated.mask).resize((52, 52), 0))[:48, :48]
    numbers = [n for n in np.unique(truth) if n not in (0, 255)]
    assert len(numbers) == (2 if kind == 'object' else 1)
    table = np.zeros((len(numbers), 3))
    for row, number in enumerate(numbers):
        for head in range(3):
            seen = np.kron(largest_until_mass(attention[head], 0.5).reshape(6, 6), np.ones((8, 8)))
            counted = truth != 255
            both = ((seen > 0) & (truth == number) & counted).sum()
            table[row, head] = both / (((seen > 0) | (truth == number)) & counted).sum()
    assert overlap.heads == pytest.approx(table.mean(0), abs=0.02)
    assert overlap.best == pytest.approx(table.max(1).mean(), abs=0.02)
    assert 0 < overlap.mean_attention < 1


def test_an_image_without_object_and_one_that_does_not_fit(voc):
    annotated = find_annotated(voc)[0]
    write_mask(annotated.mask, np.zeros((50, 70), np.uint8), usual_palette())
    assert measure_image(network('vit'), annotated, size=32) is None
    assert measure_image(network('vit'), annotated, 'foreground', size=32) is None
    write_mask(annotated.mask, np.ones((50, 60), np.uint8), usual_palette())
    with pytest.raises(ValueError, match=r'a.png is of 50x60 pixels, but image .*a.jpg of 50x70'):
        measure_image(network('vit'), annotated, size=32)
    annotated.image.write_bytes(b'')
    with pytest.raises(ValueError, match=r'cannot read .*a.jpg'):
        measure_image(network('vit'), AnnotatedImage(*annotated), size=32)


def test_means_over_images_by_hand():
    overlaps = [
        AttentionOverlap(0.6, np.array([0.5, 0.3]), 0.4),
        None,
        AttentionOverlap(0.4, np.array([0.0, 0.4]), 0.2),
    ]
    figures = summarise(overlaps)
    assert figures.pop('heads') == pytest.approx([25, 35])
    assert figures == pytest.approx(
        {
            'best head': 50,
            'random head': 30,
            'mean attention': 30,
            'one head': 35,
            'its number': 1,
            'images': 2,
            'images without object': 1,
        }
    )
    with pytest.raises(ValueError, match='none of the 1 masks has an object'):
        summarise([None])
