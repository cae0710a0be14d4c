import argparse

import numpy as np
import pytest
import torch

from dinomm.checkpoints import convert, load_file
from dinomm.checkpoints.training import can_go_on, training_from, unpacked
from dinomm.models import DINOHead
from dinomm.verification.dino import tensors


def under(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def require_equal(state, expected):
    assert set(state) == set(expected)
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []


@pytest.fixture
def dino(golden):
    """As main_dino.py saves it, with the options of its command line."""
    with np.load(golden / 'dino_trace.npz') as arrays:
        return dict(
            student=under('module.', tensors(arrays, 'student/')),
            teacher=tensors(arrays, 'teacher/'),
            optimizer={'state': {}, 'param_groups': []},
            epoch=3,
            args=argparse.Namespace(arch='vit_small', lr=5e-4),
            dino_loss={'center': torch.from_numpy(np.array(arrays['center'])).view(1, -1)},
            fp16_scaler=None,
        )


@pytest.fixture
def esvit(golden):
    with np.load(golden / 'esvit_trace.npz') as arrays:
        centers = {
            'center': torch.from_numpy(np.array(arrays['center_view'])),
            'center_grid': torch.from_numpy(np.array(arrays['center_region'])),
        }
        return dict(
            student=under('module.', tensors(arrays, 'start/')),
            teacher=tensors(arrays, 'teacher/'),
            epoch=2,
            dino_loss=centers,
        )


@pytest.mark.parametrize(
    ('system', 'heads'),
    [('dino', {'view': 'head'}), ('esvit', dict(view='head', region='head_dense'))],
)
def test_to_dinomm_and_back(system, heads, request, tmp_path):
    published = request.getfixturevalue(system)
    torch.save(published, tmp_path / 'in.pth')
    options = dict(heads=3) if system == 'dino' else {}
    done = convert(system, 'dinomm', tmp_path / 'in.pth', tmp_path / 'ours.pth', **options)
    assert done.is_training
    assert set(done.left_out) == {'optimizer', 'args', 'fp16_scaler'} & set(published)
    ours = load_file(tmp_path / 'ours.pth')
    assert ours['meta']['epoch'] == published['epoch']
    student = {n.removeprefix('module.'): t for n, t in ours['ema_state_dict'].items()}
    assert set(student) == set(ours['state_dict'])
    centers = list(published['dino_loss'].values())
    for (head, theirs), center in zip(heads.items(), centers, strict=True):
        name = f'heads.{head}.prototypes.weight_v'
        for state, role, prefix in (
            (ours['state_dict'], 'teacher', ''),
            (student, 'student', 'module.'),
        ):
            given = published[role][f'{prefix}{theirs}.last_layer.weight_v']
            assert torch.equal(state[name], given)
            assert torch.equal(state[f'heads.{head}.centering.center'], center)
    done = convert('auto', system, tmp_path / 'ours.pth', tmp_path / 'back.pth', **options)
    assert (done.source, done.is_training) == ('dinomm', True)
    back = load_file(tmp_path / 'back.pth')
    assert back['epoch'] == published['epoch']
    for role in ('student', 'teacher', 'dino_loss'):
        require_equal(back[role], published[role])


def test_backbone_and_student_alone(dino, tmp_path):
    torch.save(dino, tmp_path / 'in.pth')
    for name, options in (('teacher', dict(backbone_only=True)), ('student', dict(student=True))):
        out = tmp_path / f'{name}.pth'
        done = convert('dino', 'dinomm', tmp_path / 'in.pth', out, heads=3, **options)
        assert not done.is_training
        assert any('head' in left for left in done.left_out)
        state = load_file(out)['state_dict']
        prefix = 'module.' if name == 'student' else ''
        assert not any(n.startswith('heads.') for n in state)
        assert torch.equal(state['backbone.cls_token'], dino[name][f'{prefix}backbone.cls_token'])
    assert not torch.equal(dino['teacher']['backbone.cls_token'], state['backbone.cls_token'])


def test_teacher_of_networks_with_batch_norm_is_wrapped(dino, tmp_path):
    head = DINOHead(
        48, num_prototypes=64, hidden_channels=64, bottleneck_channels=16, batch_norm=True
    )
    names = {f'heads.view.{n}': t for n, t in head.state_dict().items()}
    checkpoint, _ = training_from('dino', dino)
    backbone = {n: t for n, t in checkpoint['state_dict'].items() if n.startswith('backbone.')}
    teacher = {**backbone, **names}
    torch.save(
        dict(state_dict=teacher, ema_state_dict=under('module.', teacher), meta=dict(epoch=5)),
        tmp_path / 'ours.pth',
    )
    convert('dinomm', 'dino', tmp_path / 'ours.pth', tmp_path / 'out.pth', heads=3)
    written = load_file(tmp_path / 'out.pth')
    assert all(name.startswith('module.') for name in written['teacher'])
    assert 'module.head.mlp.1.running_mean' in written['teacher']
    again, _ = training_from('dino', written)
    require_equal(again['state_dict'], teacher)


def heads_of_ibot(prototypes, shared):
    own = torch.randn(prototypes, 8)
    last = {'last_layer.weight_g': torch.ones(prototypes, 1), 'last_layer.weight_v': own}
    second = {n.replace('layer.', 'layer2.'): t if shared else 2 * t for n, t in last.items()}
    mlp = {'mlp.0.weight': torch.randn(8, 48), 'mlp.0.bias': torch.randn(8)}
    return under('head.', {**mlp, **last, **second})


@pytest.mark.parametrize('shared', [True, False])
def test_ibot(dino, shared):
    backbone = {n: t for n, t in dino['teacher'].items() if n.startswith('backbone.')}
    heads = heads_of_ibot(6, shared)
    student = {**backbone, **heads, 'backbone.masked_embed': torch.ones(1, 48)}
    published = dict(
        teacher={**backbone, **heads},
        student=under('module.', student),
        ibot_loss={'center': torch.rand(1, 6), 'center2': torch.rand(1, 1, 6)},
        epoch=7,
    )
    ours, left_out = training_from('ibot', published)
    assert not left_out
    patch = {n for n in ours['state_dict'] if n.startswith('heads.patch.')}
    center = ours['state_dict']['heads.patch.centering.center']
    assert torch.equal(center, published['ibot_loss']['center2'][0])
    for state, prefix in ((ours['ema_state_dict'], 'module.'), (ours['state_dict'], '')):
        assert torch.equal(state[f'{prefix}backbone.mask_token'], torch.ones(1, 48))
    if shared:
        assert patch == {'heads.patch.centering.center'}
        return
    view = {n.replace('.patch.', '.view.') for n in patch}
    assert view == {n for n in ours['state_dict'] if n.startswith('heads.view.')}
    state = ours['state_dict']
    own = heads['head.last_layer2.weight_v']
    assert torch.equal(state['heads.patch.prototypes.weight_v'], own)
    for kind in ('weight', 'bias'):
        name = f'projector.0.{kind}'
        assert torch.equal(state[f'heads.patch.{name}'], state[f'heads.view.{name}'])


@pytest.mark.parametrize('sinkhorn', [True, False])
def test_dinov2(golden, sinkhorn):
    """Its one model of both networks, blocks in chunks, and its file of the teacher alone."""
    with np.load(golden / 'dinov2_vit.npz') as arrays:
        backbone = tensors(arrays, 'reg/w/')
    head = {n.removeprefix('head.'): t for n, t in heads_of_ibot(6, True).items() if '2.' not in n}
    network = under('backbone.', backbone) | under('dino_head.', head) | under('ibot_head.', head)
    network = {n.replace('blocks.', 'blocks.0.'): t for n, t in network.items()}
    center = torch.zeros(1, 6) if sinkhorn else torch.rand(1, 6)
    model = under('teacher.', network) | under('student.', network)
    model |= {'dino_loss.center': center, 'ibot_patch_loss.center': center[None]}
    content = unpacked({'model': model, 'iteration': 1249})
    assert can_go_on(content, 'dinov2', 'dinomm')
    ours, left_out = training_from('dinov2', content)
    assert ours['meta']['iter'] == 1249
    teacher = ours['state_dict']
    assert torch.equal(teacher['backbone.register_tokens'], backbone['register_tokens'])
    assert {'heads.view.projector.0.bias', 'heads.patch.projector.0.bias'} <= set(teacher)
    assert set(ours['ema_state_dict']) == {f'module.{name}' for name in teacher}
    assert any('Sinkhorn' in reason for reason in left_out.values()) == sinkhorn
    assert ('heads.patch.centering.center' in teacher) != sinkhorn
    alone, _ = training_from('dinov2', {'teacher': network})
    assert 'ema_state_dict' not in alone
    assert torch.equal(alone['state_dict']['backbone.mask_token'], backbone['mask_token'])


def test_heads_that_the_system_has_not(esvit, tmp_path):
    torch.save(esvit, tmp_path / 'in.pth')
    convert('esvit', 'dinomm', tmp_path / 'in.pth', tmp_path / 'ours.pth', forward=False)
    ours = load_file(tmp_path / 'ours.pth')
    for key in ('state_dict', 'ema_state_dict'):
        ours[key] = {n.replace('.region.', '.patch.'): t for n, t in ours[key].items()}
    torch.save(ours, tmp_path / 'patch.pth')
    with pytest.raises(ValueError, match=r"head 'patch'.*--backbone-only"):
        convert('dinomm', 'esvit', tmp_path / 'patch.pth', tmp_path / 'out.pth', forward=False)


def test_a_checkpoint_of_training_is_no_safetensors(dino, tmp_path):
    torch.save(dino, tmp_path / 'in.pth')
    with pytest.raises(ValueError, match=r'one set of weights alone: give a name in \.pth'):
        convert('dino', 'dinomm', tmp_path / 'in.pth', tmp_path / 'x.safetensors', heads=3)
