import copy

import pytest
import torch

from dinomm.export.capture import Form, capture

from .networks import network


def test_size_that_the_backbone_cannot_take():
    fixed = copy.deepcopy(network('timm-vit'))
    fixed.backbone.timm_model.dynamic_img_size = False
    fixed.backbone.timm_model.patch_embed.strict_img_size = True
    with pytest.raises(ValueError, match=r'\(VisionTransformer\) cannot take images of 48x80 pixe'):
        capture(fixed, Form((48, 80)))


def test_code_that_fixes_the_number_of_images(monkeypatch):
    backbone = network('resnet').backbone
    forward = type(backbone).forward

    def fixing(self, images):
        return [maps + torch.zeros(len(images), 1, 1, 1) for maps in forward(self, images)]

    monkeypatch.setattr(type(backbone), 'forward', fixing)
    with pytest.raises(ValueError, match=r'\(ResNet\) cannot be exported with any number of'):
        capture(network('resnet'), Form((32, 32)))


def test_network_stays_as_it_was():
    frozen = network('vit')
    before = {name: tensor.clone() for name, tensor in frozen.state_dict().items()}
    capture(frozen, Form((24, 40), dtype=torch.bfloat16))
    assert all(torch.equal(before[name], tensor) for name, tensor in frozen.state_dict().items())
    assert {tensor.dtype for tensor in frozen.state_dict().values()} == {torch.float32}
