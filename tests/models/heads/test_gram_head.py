import copy

import pytest
import torch
from torch.nn import functional as F

from dinomm.models import GramHead, Tokens
from dinomm.registry import MODELS


def tokens(region):
    return Tokens(region[:, 0], region, (1, region.shape[1]))


def test_worked_example():
    head = GramHead(loss_weight=2.0)
    student = head.project([tokens(torch.tensor([[[1.0, 0], [1, 1]]]))])
    anchor = head.project([tokens(torch.tensor([[[1.0, 0], [0, 3]]]))])
    # 1/sqrt(2) off the diagonal against 0, twice of four
    torch.testing.assert_close(head.loss(student, anchor, None, 1), torch.tensor(2 * 0.25))


def test_global_views_alone_count_and_the_anchor_has_no_gradient():
    head = GramHead(loss_weight=1.0)
    region = torch.randn(6, 5, 4, requires_grad=True)  # two global views of 2, one local of 2
    seen = torch.randn(4, 5, 4)
    loss = head.loss(head.project([tokens(region)]), head.project([tokens(seen)]), None, 2)
    similarities = [
        torch.stack([torch.cosine_similarity(x[:, None], x[None], -1) for x in regions])
        for regions in (region[:4], seen)
    ]
    torch.testing.assert_close(loss, F.mse_loss(*similarities))
    loss.backward()
    assert region.grad[:4].any() and not region.grad[4:].any()


def test_negative_similarities_can_be_clipped():
    head = GramHead(loss_weight=1.0, clip_negative=True)
    opposite = head.project([tokens(torch.tensor([[[1.0, 0], [-1, 0]]]))])
    square = head.project([tokens(torch.tensor([[[1.0, 0], [0, 1]]]))])
    assert head.loss(opposite, square, None, 1) == 0


def test_no_map():
    with pytest.raises(ValueError, match='GramHead compares the cells'):
        GramHead().project([Tokens(torch.zeros(2, 4), torch.zeros(2, 0, 4), (2, 2))])


def test_nothing_to_hold_to_before_there_is_an_anchor(tiny_model, batch):
    config = tiny_model()
    config['heads']['gram'] = {'type': 'GramHead', 'loss_weight': 1.0}
    model = MODELS.build(config)
    model.attach_teacher(copy.deepcopy(model))
    inputs = model.data_preprocessor(batch(2))['inputs']
    assert model.loss(inputs)['loss_gram'] == 0
    model.attach_anchor(copy.deepcopy(model))
    torch.testing.assert_close(model.loss(inputs)['loss_gram'], torch.tensor(0.0))
    with torch.no_grad():
        for parameter in model._anchor.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    assert model.loss(inputs)['loss_gram'] > 1e-4
    assert not any('anchor' in name for name in model.state_dict())
