"""EsViT's Swin-T, window 14 (27.6 M parameters): the last stage's map takes a window of 7."""

_base_ = ['./esvit_swin-tiny-w7.py']

__norm = dict(type='LN', eps=1e-6)
__stage = dict(block_cfgs=dict(norm_cfg=__norm), downsample_cfg=dict(norm_cfg=__norm))
__unshifted = dict(block_cfgs=dict(norm_cfg=__norm, shift=False))

model = dict(
    backbone=dict(
        window_size=14,
        stage_cfgs=[
            __stage,
            __stage,
            dict(__stage, **__unshifted),
            dict(__unshifted, window_size=7),
        ],
    )
)
