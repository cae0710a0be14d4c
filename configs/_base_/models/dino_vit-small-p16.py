"""ViT-S/16 with DINO's head: 21.7 M parameters in the backbone, 22.3 M in the head."""

model = dict(
    type='SelfDistillation',
    num_global_views=2,
    backbone=dict(
        type='DINOVisionTransformer',
        arch='deit-small',
        patch_size=16,
        drop_path_rate=0.1,  # of the student; the teacher drops nothing
    ),
    heads=dict(
        view=dict(
            type='DINOHead',
            in_channels=384,
            hidden_channels=2048,
            bottleneck_channels=256,
            num_prototypes=65536,
            fixed_length=True,  # the prototypes keep length 1
            student_temp=0.1,
            teacher_temp=dict(start=0.04, end=0.04, warmup_epochs=0),
            centering=dict(type='MeanCentering', momentum=0.9),
        )
    ),
)
