"""Swin-T of window 7 as pretrained, for detectors.

Layer norms of epsilon 1e-6 as in pretraining, where mmdet's configs have 1e-5. All odd blocks shift
their windows, as in the published detectors: pretraining does not in the last stage, whose map is
one window at 224 px.
"""

norm = dict(type='LN', eps=1e-6)
stage = dict(block_cfgs=dict(norm_cfg=norm), downsample_cfg=dict(norm_cfg=norm))

swin = dict(
    _delete_=True,
    type='dinomm.FastSwinTransformer',
    arch='tiny',
    window_size=7,
    pad_small_map=True,
    drop_path_rate=0.2,
    out_indices=(0, 1, 2, 3),
    norm_cfg=norm,
    patch_cfg=dict(norm_cfg=norm),
    stage_cfgs=[stage, stage, stage, dict(block_cfgs=dict(norm_cfg=norm))],
    # of pretrained=None, and of the norms that pretraining lacks
    init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
)
