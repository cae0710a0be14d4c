"""Published checkpoints of training, converted by the tool, go on in tools/train.py."""

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook

from dinomm.checkpoints import load_file
from dinomm.verification.dino import tensors

from . import processes, tiny

GOLDEN_VIT = """
model = dict(
    backbone=dict(
        arch=dict(embed_dims=48, num_layers=3, num_heads=3, feedforward_channels=192),
        img_size=16,
        patch_size=8,
        {backbone}
    ),
    heads=dict(
        view=dict(
            in_channels=48, hidden_channels=64, bottleneck_channels=16, num_prototypes=64
        ),
        {heads}
    ),
    {model}
)
"""
PATCH = """patch=dict(
            type='MaskedPatchHead', tied_to='view', in_channels=48, num_prototypes=64
        ),"""
IBOT = dict(
    backbone='mask_token=True,',
    heads=PATCH,
    model="masking=dict(type='PatchMasking', min_cells=1),",
)


class Start(Hook):
    """Copies both networks before the first step."""

    def before_train(self, runner):
        networks = {'student': runner.model, 'teacher': runner.model.teacher}
        self.states = {
            role: {n: t.clone() for n, t in network.state_dict().items()}
            for role, network in networks.items()
        }


@pytest.fixture
def dino(golden):
    """main_dino.py's, with the position embedding of this test's images."""
    with np.load(golden / 'dino_trace.npz') as arrays:
        center = torch.from_numpy(np.array(arrays['center'])).view(1, -1)
        published = dict(
            student={f'module.{n}': t for n, t in tensors(arrays, 'student/').items()},
            teacher=tensors(arrays, 'teacher/'),
            dino_loss={'center': center},
            epoch=3,
        )
    for role, prefix in (('student', 'module.'), ('teacher', '')):
        name = f'{prefix}backbone.pos_embed'
        published[role][name] = published[role][name][:, :5].clone()
    return published


def as_ibot(published):
    """The same with a mask token and the patches' head, which is that of the view."""
    for role, prefix in (('student', 'module.'), ('teacher', '')):
        state = published[role]
        for kind in ('weight_g', 'weight_v'):
            layer = f'{prefix}head.last_layer'
            state[f'{layer}2.{kind}'] = state[f'{layer}.{kind}']
    published['student']['module.backbone.masked_embed'] = torch.full((1, 48), 0.5)
    center = published.pop('dino_loss')['center']
    return published | {'ibot_loss': {'center': center, 'center2': 2 * center[None]}}


@pytest.mark.parametrize('system', ['dino', 'ibot'])
def test_goes_on(dino, data, tmp_path, system):
    published = as_ibot(dino) if system == 'ibot' else dino
    torch.save(published, tmp_path / 'published.pth')
    ended = processes.run_tool(
        'convert.py',
        *(system, 'dinomm', 'published.pth', 'ours.pth', '--heads', '3'),
        cwd=tmp_path,
    )
    assert ended.status == 0, ended.err
    parts = IBOT if system == 'ibot' else dict(backbone='', heads='', model='')
    config = tiny.write_config(tmp_path / 'tiny.py', data, GOLDEN_VIT.format(**parts))
    options = {'load_from': str(tmp_path / 'ours.pth'), 'train_cfg.max_epochs': 2}
    runner = tiny.build(config, tmp_path / 'work', options)
    start = Start()
    runner.register_hook(start)
    runner.train()
    ours = load_file(tmp_path / 'ours.pth')
    tiny.assert_identical(start.states['teacher'], ours['state_dict'])
    student = {n.removeprefix('module.'): t for n, t in ours['ema_state_dict'].items()}
    tiny.assert_identical(start.states['student'], student)
    given = published['student']['module.backbone.blocks.2.mlp.fc2.weight']
    assert torch.equal(student['backbone.layers.2.ffn.layers.1.weight'], given)
    assert not torch.equal(given, published['teacher']['backbone.blocks.2.mlp.fc2.weight'])
    assert np.isfinite(tiny.logged(tmp_path / 'work')).all()
    trained = tiny.last_checkpoint(tmp_path / 'work')['ema_state_dict']
    assert not torch.equal(trained['module.backbone.layers.2.ffn.layers.1.weight'], given)
