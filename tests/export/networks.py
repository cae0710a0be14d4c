"""Tiny untrained networks, and what was captured of them."""

from functools import cache

import pytest
import torch

from dinomm.evaluation.network import FrozenNetwork
from dinomm.export.capture import Captured, Form, capture
from dinomm.export.formats import format_of
from dinomm.export.metadata import describe
from dinomm.models.backbones import speed_up
from dinomm.registry import MODELS
from tests.evaluation import networks

WIDE = Form((48, 80))
"""Another size than the networks are made for, and not square."""

SHIFTED_SWIN = dict(
    type='SwinTransformer',
    arch=dict(embed_dims=12, depths=[1, 2], num_heads=[1, 2]),
    out_indices=(1,),
    img_size=64,
    window_size=4,
)
BACKBONES = {
    **networks.BACKBONES,
    'swin': SHIFTED_SWIN,
    'dinov2-vit': {
        **networks.BACKBONES['vit'],
        'layer_cfgs': {'ffn_type': 'swiglu_fused'},
        'layer_scale_init_value': 0.5,
        'num_registers': 2,
        'mask_token': True,
        'pad_to_patch': False,
        'position_offset': 0.0,
        'position_antialias': True,
    },
    'rotary-vit': {**networks.BACKBONES['vit'], 'positions': 'rotary', 'num_registers': 2},
    'mmpretrain-vit': {
        **networks.BACKBONES['vit'],
        'type': 'VisionTransformer',
        'out_type': 'raw',
    },
}


@cache
def network(family: str) -> FrozenNetwork:
    """In evaluation mode, as the tools load it."""
    torch.manual_seed(0)
    backbone = speed_up(MODELS.build({**BACKBONES[family], '_scope_': 'dinomm'}))
    preprocessor = MODELS.build({'type': 'dinomm.MultiCropPreprocessor'})
    frozen = FrozenNetwork(backbone, preprocessor).requires_grad_(False)
    torch.nn.Module.train(frozen, False)
    return frozen


@cache
def captured(family: str, form: Form = WIDE) -> Captured:
    """Of the network."""
    return capture(network(family), form)


def write(family: str, path, form: Form = WIDE):
    """Writes the network in the format of the path's ending; returns the path."""
    kind = format_of(path)
    for package in (*kind.writers, *kind.runners):
        pytest.importorskip(package)
    program = captured(family, form)
    kind.handler().write(program, path, describe(program, network(family)))
    return path
