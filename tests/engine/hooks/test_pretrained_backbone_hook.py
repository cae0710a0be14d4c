import logging
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dinomm.engine.hooks import PretrainedBackboneHook


class Wrapper(nn.parallel.DistributedDataParallel):
    """Looks like DDP."""

    def __init__(self, module):
        nn.Module.__init__(self)
        self.module = module


@pytest.fixture
def checkpoint(tmp_path):
    weight = torch.full((2, 2), 3.0)
    state = {'backbone.weight': weight, 'backbone.bias': weight[0]}
    torch.save({'state_dict': state}, tmp_path / 'x.pth')
    return str(tmp_path / 'x.pth')


def detector():
    model = nn.Module()
    model.backbone, model.head = nn.Linear(2, 2), nn.Linear(2, 2)
    return model


def runner_of(model, **config):
    return SimpleNamespace(model=model, cfg=config, logger=logging.getLogger('test'))


def weights(model):
    return float(model.backbone.weight.detach().min())


@pytest.mark.parametrize('wrap', [False, True])
def test_loads_what_the_config_names(checkpoint, caplog, wrap):
    model = detector()
    runner = runner_of(Wrapper(model) if wrap else model, pretrained=checkpoint)
    with caplog.at_level(logging.INFO):
        PretrainedBackboneHook().before_train(runner)
    assert weights(model) == 3
    assert 'matched       2' in caplog.text and checkpoint in caplog.text


def test_its_own_argument_goes_first(checkpoint):
    model = detector()
    PretrainedBackboneHook(checkpoint).before_train(runner_of(model, pretrained='nothing.pth'))
    assert weights(model) == 3


def test_none_is_random_and_says_so(caplog):
    model = detector()
    before = weights(model)
    PretrainedBackboneHook().before_train(runner_of(model, pretrained=None))
    assert weights(model) == before and 'random weights' in caplog.text


def test_a_loaded_detector_keeps_its_backbone(checkpoint, caplog):
    model, hook = detector(), PretrainedBackboneHook(checkpoint)
    before, runner = weights(model), runner_of(model)
    hook.after_load_checkpoint(runner, {})
    with caplog.at_level(logging.INFO):
        hook.before_train(runner)
    assert weights(model) == before and 'that of the loaded checkpoint' in caplog.text


def test_a_config_that_names_nothing():
    with pytest.raises(ValueError, match='set pretrained to a file'):
        PretrainedBackboneHook().before_train(runner_of(detector()))
