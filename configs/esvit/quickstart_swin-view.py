"""EsViT's view task alone (L_V), 5,000 handwritten digits, a Swin of 0.3 M parameters.

Paper: Efficient Self-supervised Vision Transformers for Representation Learning, arXiv 2106.09785.
Command: python tools/prepare_data.py digits
    python tools/train.py configs/esvit/quickstart_swin-view.py
Result: k-NN top-1 63.7, 66.0 and 68.7 over three seeds; untrained 58.0 to 58.3.
Time: 5 to 7 minutes on two busy cores.
"""

_base_ = ['../dino/quickstart_digits.py']

__norm = dict(type='LN', eps=1e-6)
__stage = dict(block_cfgs=dict(norm_cfg=__norm), downsample_cfg=dict(norm_cfg=__norm))
__unshifted = dict(block_cfgs=dict(norm_cfg=__norm, shift=False))

model = dict(
    backbone=dict(
        _delete_=True,
        type='SwinTransformer',
        arch=dict(embed_dims=48, depths=[2, 2], num_heads=[2, 4]),  # maps of 7x7 and 4x4
        out_indices=(1,),
        img_size=28,
        patch_size=4,
        window_size=7,
        pad_small_map=True,
        norm_cfg=__norm,
        patch_cfg=dict(norm_cfg=__norm),
        stage_cfgs=[__stage, __unshifted],
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
    )
)

train_cfg = dict(max_epochs=12, val_interval=3)
default_hooks = dict(checkpoint=dict(interval=3))
