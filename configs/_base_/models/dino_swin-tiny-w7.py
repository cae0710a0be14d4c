"""Swin-T, window 7, with DINO's head: 27.5 M parameters in the backbone, 23.1 M in the head.

The view feature is the mean of the last map after its norm. Constants as in EsViT's network: layer
norms of epsilon 1e-6, maps smaller than the window padded, no shift in the last stage.
"""

_base_ = ['./dino_vit-small-p16.py']

__norm = dict(type='LN', eps=1e-6)
__stage = dict(block_cfgs=dict(norm_cfg=__norm), downsample_cfg=dict(norm_cfg=__norm))
__last_stage = dict(block_cfgs=dict(norm_cfg=__norm, shift=False))

model = dict(
    backbone=dict(
        _delete_=True,
        type='SwinTransformer',
        arch='tiny',
        drop_path_rate=0.1,
        pad_small_map=True,  # local crops end in maps of 3x3
        norm_cfg=__norm,
        patch_cfg=dict(norm_cfg=__norm),
        stage_cfgs=[__stage, __stage, __stage, __last_stage],
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
    ),
    heads=dict(view=dict(in_channels=768)),
)
