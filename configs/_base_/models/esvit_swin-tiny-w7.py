"""EsViT's Swin-T, window 7 (27.5 M parameters), its head and its region head.

The settings equal the published network's: LayerNorm eps 1e-6, small maps padded without a mask,
no shift where the map of a 224 px view is one window.
A config adds the region objective by
    model = dict(heads=dict(view=dict(loss_weight=0.5), region={{_base_.region_head}}))
"""

norm = dict(type='LN', eps=1e-6)
stage = dict(block_cfgs=dict(norm_cfg=norm), downsample_cfg=dict(norm_cfg=norm))

region_head = dict(
    type='RegionMatchingHead',
    in_channels=768,
    hidden_channels=2048,
    bottleneck_channels=256,
    num_prototypes=65536,
    fixed_length=False,
    student_temp=0.1,
    teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=30),
    centering=dict(type='MeanCentering', momentum=0.9),
    loss_weight=0.5,  # published: half of each; the paper writes 1 and 1
)

model = dict(
    type='SelfDistillation',
    num_global_views=2,
    backbone=dict(
        type='SwinTransformer',
        arch='tiny',
        window_size=7,
        pad_small_map=True,
        drop_path_rate=0.1,  # of the student; the teacher drops nothing
        norm_cfg=norm,
        patch_cfg=dict(norm_cfg=norm),
        stage_cfgs=[stage, stage, stage, dict(block_cfgs=dict(norm_cfg=norm, shift=False))],
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
    ),
    heads=dict(view=dict(region_head, type='DINOHead', loss_weight=1.0)),
)
