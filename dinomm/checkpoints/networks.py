"""Networks of dinomm, mmpretrain, mmdet and torchvision around converted weights."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from .coverage import Coverage, compare_weights
from .formats import Forward, State
from .forms import Form, SwinForm, VitForm

EPS = 1e-6
"""Of every layer norm while features are compared, whatever a library's default is."""

NORM = {'type': 'LN', 'eps': EPS}


def filled(network: nn.Module, state: State) -> Coverage:
    """Fills a network and readies it for the comparison; tells what fits."""
    coverage = compare_weights(network.state_dict(), state)
    network.load_state_dict({name: state[name] for name in coverage.matched}, strict=False)
    evaluated(network)
    return coverage


def evaluated(network: nn.Module) -> None:
    """Readies a network for the comparison: in evaluation, float32, all norms of one eps."""
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = EPS
    network.eval()  # mmpretrain's returns nothing
    network.float()


def mm_network(form: Form, state: State, scope: str) -> nn.Module:
    """The network of dinomm, mmpretrain or mmdet (``scope``) that has a form.

    Raises:
        ImportError: There is no mmdet.
    """
    config = _config(form, state, scope)
    if scope == 'mmdet':
        import_module('dinomm.detection')  # stand-ins for operators that are not compiled
        import_module('mmdet.models')
    import_module('dinomm.models')
    from mmengine.registry import DefaultScope

    from dinomm.registry import MODELS

    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(config)


@torch.no_grad()
def mm_forward(form: Form, state: State, images: Tensor, scope: str) -> Forward:
    """Features of the network of dinomm, mmpretrain or mmdet with the weights."""
    network = mm_network(form, state, scope)
    coverage = filled(network, state)
    features = network(images)[-1]
    if not isinstance(form, VitForm):
        return Forward(features.flatten(2).transpose(1, 2), coverage)
    patches = (form.image // form.patch) ** 2
    return Forward(torch.cat([features[:, :1], features[:, -patches:]], dim=1), coverage)


def _config(form: Form, state: State, scope: str) -> dict[str, Any]:
    if isinstance(form, VitForm):
        return _vit(form, scope)
    if isinstance(form, SwinForm):
        return _mmdet_swin(form, state) if scope == 'mmdet' else _swin(form, state)
    return dict(type='mmdet.ResNet' if scope == 'mmdet' else 'mmpretrain.ResNet', depth=form.depth)


def _vit(form: VitForm, scope: str) -> dict[str, Any]:
    # mmpretrain's SwiGLU takes two thirds of what it is told
    hidden = form.hidden * 3 // 2 if form.swiglu else form.hidden
    config = dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(
            embed_dims=form.width,
            num_layers=form.depth,
            num_heads=form.heads,
            feedforward_channels=hidden,
        ),
        img_size=form.image,
        patch_size=form.patch,
        qkv_bias=form.qkv_bias,
        out_type='raw',
        layer_scale_init_value=1.0 if form.layer_scale else 0.0,
        layer_cfgs=dict(ffn_type='swiglu_fused') if form.swiglu else {},
    )
    if scope == 'dinomm':
        config |= dict(
            type='dinomm.DINOVisionTransformer',
            num_registers=form.registers,
            mask_token=form.mask_token,
        )
    return config


def _norms(form: SwinForm, state: State) -> tuple[int, ...]:
    return tuple(i for i in range(len(form.depths)) if f'norm{i}.weight' in state)


def _swin(form: SwinForm, state: State) -> dict[str, Any]:
    stage = dict(block_cfgs=dict(norm_cfg=NORM, ffn_cfgs={}), downsample_cfg=dict(norm_cfg=NORM))
    return dict(
        type='mmpretrain.SwinTransformer',
        arch=dict(embed_dims=form.width, depths=form.depths, num_heads=form.heads),
        img_size=form.image,
        patch_size=form.patch,
        window_size=form.window,
        out_indices=_norms(form, state),
        drop_path_rate=0.0,
        norm_cfg=NORM,
        stage_cfgs=[stage] * len(form.depths),
    )


def _mmdet_swin(form: SwinForm, state: State) -> dict[str, Any]:
    return dict(
        type='mmdet.SwinTransformer',
        embed_dims=form.width,
        depths=form.depths,
        num_heads=form.heads,
        window_size=form.window,
        mlp_ratio=form.mlp_ratio,
        patch_size=form.patch,
        strides=(form.patch, *(2 for _ in form.depths[1:])),
        out_indices=_norms(form, state),
        pretrain_img_size=form.image,
    )
