"""Tiny untrained networks of each family."""

import torch

import dinomm.models  # noqa: F401
from dinomm.evaluation.network import FrozenNetwork
from dinomm.registry import MODELS

PATCH = 8
BACKBONES = {
    'vit': dict(
        type='DINOVisionTransformer',
        arch=dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=48),
        img_size=32,
        patch_size=PATCH,
    ),
    'swin': dict(
        type='SwinTransformer',
        arch=dict(embed_dims=12, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 4]),
        img_size=64,
        window_size=2,
        pad_small_map=True,
    ),
    'resnet': dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
    'timm-vit': dict(
        type='TIMMBackbone',
        model_name='vit_tiny_patch16_224',
        pretrained=False,
        embed_dim=24,
        depth=1,
        num_heads=3,
        img_size=32,
        patch_size=PATCH,
        dynamic_img_size=True,
    ),
}


def network(family: str) -> FrozenNetwork:
    """In evaluation mode, the same at every call."""
    torch.manual_seed(0)
    backbone = MODELS.build({**BACKBONES[family], '_scope_': 'dinomm'})
    preprocessor = MODELS.build({'type': 'dinomm.MultiCropPreprocessor'})
    frozen = FrozenNetwork(backbone, preprocessor).requires_grad_(False)
    torch.nn.Module.train(frozen, False)
    return frozen
