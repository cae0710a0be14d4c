import math

import pytest
import torch

from dinomm.evaluation.attention import attention_entropy, last_attention, measure_entropy

from .test_correspondence import BACKBONES, build


def test_entropy_in_bits_from_one_key_to_all_alike():
    one_key = torch.eye(8).view(1, 1, 8, 8)
    all_alike = torch.full((1, 1, 8, 8), 1 / 8)
    half = torch.cat([one_key, all_alike], dim=2)  # mean over the queries
    entropy = attention_entropy(torch.cat([one_key, all_alike], dim=1))
    torch.testing.assert_close(entropy, torch.tensor([[0.0, 3.0]]))
    torch.testing.assert_close(attention_entropy(half), torch.tensor([[1.5]]))


@pytest.mark.parametrize(('name', 'heads', 'keys'), [('vit', 2, 17), ('swin', 1, 49)])
def test_each_head_of_the_last_block(name, heads, keys):
    size = 32 if name == 'vit' else 64
    model = build(*BACKBONES[name][:2])
    batches = [
        {'inputs': [torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)]} for n in (1, 2)
    ]
    figures = measure_entropy(model, batches)
    assert figures['images'] == 3 and len(figures['heads']) == heads
    assert all(0 < entropy <= math.log2(keys) for entropy in figures['heads'])
    images = [model.data_preprocessor(batch, False)['inputs'][0].images for batch in batches]
    each = attention_entropy(last_attention(model.backbone, torch.cat(images)))
    assert figures['heads'] == pytest.approx(each.mean(0).tolist(), rel=1e-5)
    assert figures['mean'] == pytest.approx(each.mean().item(), rel=1e-5)


def test_a_backbone_without_attention():
    model = build(*BACKBONES['resnet'][:2])
    with pytest.raises(ValueError, match='ResNet gives no attention'):
        last_attention(model.backbone, torch.zeros(1, 3, 32, 32))
