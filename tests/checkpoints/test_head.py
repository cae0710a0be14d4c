import numpy as np
import pytest
import torch

from dinomm.checkpoints.head import head_weights
from dinomm.registry import MODELS
from dinomm.verification.dino import build_head, tensors


@pytest.fixture
def model(tiny_model):
    return MODELS.build(tiny_model())


def stored(model, prefix='', noise=0.0):
    return {f'{prefix}{name}': tensor + noise for name, tensor in model.state_dict().items()}


def test_teacher_and_student_of_a_run(model):
    content = {'state_dict': stored(model), 'ema_state_dict': stored(model, 'module.', 1)}
    head = model.heads['view']
    for student in (False, True):
        found = head_weights(head, content, 'a.pth', 'view', student)
        assert found.keys() == head.state_dict().keys()
        for name, tensor in head.state_dict().items():
            assert torch.equal(found[name], tensor + student)


def test_a_published_head(golden):
    state = tensors(np.load(golden / 'dino_head.npz'), 'bn/w/')
    head = build_head(state)
    content = {'teacher': {f'module.head.{name}': value for name, value in state.items()}}
    found = head_weights(head, content, 'a.pth', 'view')
    assert torch.equal(found['prototypes.weight_v'], state['last_layer.weight_v'])
    assert set(head.state_dict()) - set(found) == {'centering.center'}


@pytest.mark.parametrize('content', [{}, {'state_dict': {'backbone.x': torch.ones(1)}}])
def test_no_head(model, content):
    with pytest.raises(ValueError, match=r"a.pth holds no head 'view' with prototypes"):
        head_weights(model.heads['view'], content, 'a.pth', 'view')


def test_a_head_of_another_form(model, tiny_model):
    other = MODELS.build(tiny_model({'num_prototypes': 21}))
    with pytest.raises(ValueError, match=r'a.pth, heads.view.\*: .*of another shape'):
        head_weights(model.heads['view'], {'state_dict': stored(other)}, 'a.pth', 'view')
