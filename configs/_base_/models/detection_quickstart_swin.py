"""The Swin of configs/esvit/quickstart_swin.py for detectors, with the maps of both stages.

Its last stage shifts windows here, in pretraining it does not: its map was one window there.
"""

__norm = dict(type='LN', eps=1e-6)
__stage = dict(block_cfgs=dict(norm_cfg=__norm), downsample_cfg=dict(norm_cfg=__norm))

swin = dict(
    _delete_=True,
    type='dinomm.FastSwinTransformer',
    arch=dict(embed_dims=48, depths=[2, 2], num_heads=[2, 4]),
    img_size=28,
    patch_size=4,
    window_size=7,
    pad_small_map=True,
    drop_path_rate=0.0,
    out_indices=(0, 1),
    norm_cfg=__norm,
    patch_cfg=dict(norm_cfg=__norm),
    stage_cfgs=[__stage, dict(block_cfgs=dict(norm_cfg=__norm))],
    init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
)
