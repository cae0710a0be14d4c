import numpy as np
import pytest
import torch
from torch import nn

from dinomm.checkpoints.backbone import backbone_weights
from dinomm.checkpoints.files import load_file
from dinomm.checkpoints.formats import read_names, write_names
from dinomm.checkpoints.matrix import FORMATS
from dinomm.registry import MODELS
from dinomm.verification.dino import tensors
from dinomm.verification.esvit import swin_config

RESNET = dict(type='mmpretrain.ResNet', depth=18)


@pytest.fixture(scope='module')
def resnet():
    return MODELS.build(RESNET)


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


@pytest.mark.parametrize('prefix', ['', 'module.', 'backbone.', 'module.backbone.'])
@pytest.mark.parametrize('container', [None, 'state_dict', 'teacher', 'model'])
def test_prefixes_and_containers(resnet, prefix, container):
    state = prefixed(resnet.state_dict(), prefix)
    found = backbone_weights(resnet, state if container is None else {container: state}, 'x')
    assert all(torch.equal(found[name], value) for name, value in resnet.state_dict().items())


def test_teacher_by_default_student_on_demand(resnet):
    teacher = prefixed(resnet.state_dict(), 'backbone.')
    student = {f'module.{name}': torch.zeros_like(t) for name, t in teacher.items()}
    content = {'state_dict': teacher, 'ema_state_dict': student}
    found = backbone_weights(resnet, content, 'x')
    assert torch.equal(found['conv1.weight'], resnet.conv1.weight)
    assert not backbone_weights(resnet, content, 'x', student=True)['conv1.weight'].any()
    with pytest.raises(ValueError, match='holds no student'):
        backbone_weights(resnet, {'state_dict': teacher}, 'x', student=True)


def test_torchvisions_resnet_with_its_classifier(resnet):
    from torchvision.models import resnet18

    published = resnet18(weights=None).state_dict()
    found = backbone_weights(resnet, published, 'resnet18.pth')
    assert set(found) == set(resnet.state_dict())
    assert torch.equal(found['layer4.1.conv2.weight'], published['layer4.1.conv2.weight'])


def test_timm_dino_and_esvit(golden):
    import timm

    model = dict(img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=2, mlp_ratio=2)
    state = timm.create_model('vit_tiny_patch16_224', num_classes=3, **model).state_dict()
    wrapped = MODELS.build(
        dict(type='mmpretrain.TIMMBackbone', model_name='vit_tiny_patch16_224', **model)
    )
    assert set(backbone_weights(wrapped, state, 'x')) == set(wrapped.state_dict())
    vit = MODELS.build(
        dict(
            type='dinomm.DINOVisionTransformer',
            arch=dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48),
            img_size=16,
            patch_size=4,
        )
    )
    assert set(backbone_weights(vit, state, 'x')) == set(vit.state_dict())
    published = tensors(np.load(golden / 'esvit_swin.npz'), 'w/')
    swin = MODELS.build(swin_config(published, 112))
    missing = set(swin.state_dict()) - set(backbone_weights(swin, published, 'x'))
    assert not missing


@pytest.mark.parametrize('system', ['ibot', 'dinov2', 'dinov2 of training', 'huggingface'])
def test_vit_of_other_formats(golden, system):
    published = tensors(np.load(golden / 'dinov2_vit.npz'), 'reg/w/')
    ours = read_names(FORMATS['dinov2'], published)
    if system == 'ibot':
        del ours.state['register_tokens']
    name = system.split()[0]
    content = write_names(FORMATS[name], ours).state
    if system == 'dinov2 of training':
        content = {'model': prefixed(content, 'teacher.backbone.')}
    elif system == 'huggingface':
        content = prefixed(content, 'dinov2_with_registers.') | {'classifier.bias': torch.ones(2)}
    for mask_token in (True, False):
        vit = MODELS.build(
            dict(
                type='dinomm.DINOVisionTransformer',
                arch=dict(embed_dims=48, num_layers=3, num_heads=3, feedforward_channels=192),
                img_size=70,
                patch_size=14,
                num_registers=0 if system == 'ibot' else 4,
                layer_scale_init_value=1.0,
                mask_token=mask_token,
            )
        )
        found = backbone_weights(vit, content, 'x')
        assert set(found) == set(vit.state_dict())
        assert all(torch.equal(found[n], ours.state[n]) for n in found)


@pytest.mark.parametrize('damage', ['missing', 'shape', 'unexpected'])
def test_anything_but_the_whole_backbone_is_refused(resnet, damage):
    state = prefixed(resnet.state_dict(), 'backbone.')
    if damage == 'missing':
        del state['backbone.conv1.weight']
    elif damage == 'shape':
        state['backbone.conv1.weight'] = torch.zeros(1)
    else:
        state['backbone.layer5.weight'] = torch.zeros(1)
    with pytest.raises(ValueError, match=r'checkpoint x, read as .*another network'):
        backbone_weights(resnet, {'state_dict': state}, 'x')


def test_nothing_that_fits(resnet):
    with pytest.raises(ValueError, match='has no weight of model'):
        backbone_weights(resnet, nn.Linear(2, 2).state_dict(), 'x')
    with pytest.raises(ValueError, match='holds no weights'):
        backbone_weights(resnet, {'epoch': 3}, 'x')


def test_safetensors(resnet, tmp_path):
    safetensors = pytest.importorskip('safetensors.torch')
    safetensors.save_file(dict(resnet.state_dict()), tmp_path / 'x.safetensors')
    found = backbone_weights(resnet, load_file(tmp_path / 'x.safetensors'), 'x')
    assert torch.equal(found['conv1.weight'], resnet.conv1.weight)
    (tmp_path / 'bad.safetensors').write_bytes(b'no weights')
    with pytest.raises(ValueError, match='cannot be read'):
        load_file(tmp_path / 'bad.safetensors')
