"""Loading a pretrained backbone: whole, or a sentence."""

import os

import pytest
import torch

from dinomm.checkpoints.transfer import load_backbone, read_backbone
from dinomm.registry import MODELS

ARCH = dict(embed_dims=8, depths=[1, 2], num_heads=[1, 2])


def swin(window=7, out_indices=(1,), arch=ARCH):
    return MODELS.build(
        dict(
            type='dinomm.FastSwinTransformer',
            arch=arch,
            window_size=window,
            out_indices=out_indices,
            pad_small_map=True,
        )
    )


def vit(**options):
    arch = dict(embed_dims=12, num_layers=2, num_heads=2, feedforward_channels=24)
    return MODELS.build(
        dict(type='dinomm.ViTFeatureMap', arch=arch, img_size=32, patch_size=8, **options)
    )


def save(path, backbone, **more):
    """As pretraining does: the teacher in state_dict, the student beside it, heads."""
    torch.manual_seed(1)
    state = {f'backbone.{n}': torch.rand_like(t.float()) for n, t in backbone.state_dict().items()}
    for name, tensor in backbone.state_dict().items():
        if not tensor.is_floating_point():
            state[f'backbone.{name}'] = tensor
    state |= {'heads.view.prototypes.weight_v': torch.rand(3), **more}
    student = {f'module.{name}': torch.zeros_like(tensor) for name, tensor in state.items()}
    torch.save({'state_dict': state, 'ema_state_dict': student, 'meta': {'epoch': 1}}, path)
    return path


def is_that_of(backbone, path):
    """Whether all of the file's tensors that the backbone has are in it."""
    own, given = backbone.state_dict(), read_backbone(path)
    return all(torch.equal(own[name], given[name]) for name in given if name in own)


def test_the_teacher_arrives_and_new_output_norms_stay(tmp_path):
    path = save(tmp_path / 'swin.pth', swin())
    detector = swin(out_indices=(0, 1))
    transfer = load_backbone(detector, path)
    assert is_that_of(detector, path)
    assert transfer.coverage.missing == ['norm0.weight', 'norm0.bias']
    assert bool((detector.norm0.weight == 1).all())
    lines = transfer.table().splitlines()
    assert lines[0].split() == ['matched', str(len(swin().state_dict()))]
    assert 'norm0.weight, norm0.bias (output norms, which start anew)' in lines[1]


def test_a_final_norm_that_the_file_lacks_is_a_fault(tmp_path):
    path = save(tmp_path / 'swin.pth', swin(out_indices=(0,)))
    with pytest.raises(ValueError, match=r'missing +2  norm1\.weight, norm1\.bias'):
        load_backbone(swin(out_indices=(0, 1)), path)


@pytest.mark.parametrize('norm', ['vit', 'swin'])
def test_a_final_norm_that_the_backbone_lacks_is_none(tmp_path, norm):
    if norm == 'vit':
        path, detector = save(tmp_path / 'x.pth', vit()), vit(final_norm=False)
        names = ['ln1.weight', 'ln1.bias']
    else:
        path, detector = save(tmp_path / 'x.pth', swin()), swin(out_indices=(0,))
        names = ['norm1.weight', 'norm1.bias']
    transfer = load_backbone(detector, path)
    assert transfer.coverage.unexpected == names and not transfer.faults()
    assert is_that_of(detector, path)


def test_mask_token_and_registers_are_left_out(tmp_path):
    extra = {'backbone.mask_token': torch.rand(1), 'backbone.register_tokens': torch.rand(1)}
    path, detector = save(tmp_path / 'vit.pth', vit(), **extra), vit()
    transfer = load_backbone(detector, path)
    assert transfer.coverage.unexpected == ['mask_token', 'register_tokens']
    assert '(of no use here)' in transfer.table()
    assert is_that_of(detector, path)


@pytest.mark.parametrize(
    ('pretrained', 'detector', 'reason'),
    [
        (swin(window=5), swin(), 'attention windows are 5, 5 wide, those of the backbone 7, 7'),
        (vit(), swin(), 'it is of another backbone'),
        (swin(), vit(), 'it is of another backbone'),
        (swin(arch=dict(ARCH, depths=[1, 1])), swin(), 'of another size or version: 73%'),
        (swin(arch=dict(ARCH, embed_dims=16)), swin(), 'of another size or version'),
    ],
    ids=['window', 'vit', 'swin', 'depth', 'width'],
)
def test_another_backbone(tmp_path, pretrained, detector, reason):
    path = save(tmp_path / 'x.pth', pretrained)
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    with pytest.raises(ValueError, match=reason) as error:
        load_backbone(detector, path)
    assert f'checkpoint {path} does not fill the backbone' in str(error.value)
    after = detector.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_another_table_of_positions(tmp_path):
    path = save(tmp_path / 'vit.pth', vit())
    arch = dict(embed_dims=12, num_layers=2, num_heads=2, feedforward_channels=24)
    larger = dict(type='dinomm.ViTFeatureMap', arch=arch, img_size=64, patch_size=8)
    with pytest.raises(ValueError, match=r'17 tokens, that of the backbone 65. Set .*img_size'):
        load_backbone(MODELS.build(larger), path)


def test_one_tensor_that_is_not_in_the_file(tmp_path):
    content = torch.load(save(tmp_path / 'vit.pth', vit()), weights_only=True)
    del content['state_dict']['backbone.layers.1.attn.qkv.bias']
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=r'missing +1  layers\.1\.attn\.qkv\.bias'):
        load_backbone(vit(), tmp_path / 'x.pth')


class Command:
    """Runs a command if it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.system, (f'touch {self.file}',)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'state_dict': {'conv1.weight': torch.zeros(1)}}, r"starts with 'backbone\.'.*conv1"),
        ({'teacher': {'backbone.x': torch.zeros(1)}}, r"starts with 'backbone\.'.*teacher"),
        ({'state_dict': [1, 2]}, 'state_dict of type list'),
        ({'state_dict': {'backbone.x': 'text'}}, r"starts with 'backbone\.'"),
        ([1, 2], 'holds a list'),
    ],
)
def test_no_file_of_pretraining(tmp_path, content, message):
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=message):
        load_backbone(vit(), tmp_path / 'x.pth')


def test_a_file_that_would_run_code_does_not(tmp_path):
    torch.save({'state_dict': Command(tmp_path / 'ran')}, tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='executed as code: refused'):
        load_backbone(vit(), tmp_path / 'x.pth')
    assert not (tmp_path / 'ran').exists()


def test_a_file_of_torchvision_fills_a_resnet(tmp_path):
    """Names without 'backbone.', and a classifier beside them."""
    small = dict(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8)
    source, target = MODELS.build(small), MODELS.build(small)
    state = {**source.state_dict(), 'fc.weight': torch.zeros(2, 2), 'fc.bias': torch.zeros(2)}
    torch.save(state, tmp_path / 'resnet.pth')
    assert not load_backbone(target, tmp_path / 'resnet.pth').faults()
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, source.state_dict()[name]), name
