"""DINOv2's ViT-L/16 (303.4 M parameters) and its objectives on ImageNet-1k: one head for both.

The heads of views and of masked patches share projector and prototypes; KoLeo has no parameters.
"""

__head = dict(
    in_channels=1024,
    hidden_channels=2048,
    bottleneck_channels=256,
    num_prototypes=65536,
    fixed_length=False,  # of a learned length, always
    student_temp=0.1,
    teacher_temp=dict(start=0.04, end=0.07, warmup_epochs=30, by_step=True),
    centering=dict(type='MeanCentering', momentum=0.9),
)

model = dict(
    type='SelfDistillation',
    num_global_views=2,
    masking=dict(type='PatchMasking', share=0.5, ratio=(0.1, 0.5), min_cells=4),
    backbone=dict(
        type='DINOVisionTransformer',
        arch='dinov2-large',
        img_size=224,
        patch_size=16,
        pad_to_patch=False,
        mask_token=True,
        class_token_std=1e-6,
        layer_scale_init_value=1e-5,
        # of the student, in every block; dropped samples are not computed
        drop_path_rate=0.3,
        drop_path_uniform=True,
        skip_dropped=True,
        pack=True,  # global and local views in one pass, with the same result
    ),
    heads=dict(
        view=dict(__head, type='DINOHead'),
        patch=dict(__head, type='MaskedPatchHead', tied_to='view'),
        koleo=dict(type='KoLeoHead', loss_weight=0.1),
    ),
)
