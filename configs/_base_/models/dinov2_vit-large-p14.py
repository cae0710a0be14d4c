"""DINOv2's ViT-L/14 with SwiGLU (303.7 M parameters) and its objectives on a large data set.

Sinkhorn-Knopp, and a head of their own for the masked patches.
"""

_base_ = ['./dinov2_vit-large-p16.py']

model = dict(
    backbone=dict(patch_size=14, layer_cfgs=dict(ffn_type='swiglu_fused'), drop_path_rate=0.4),
    heads=dict(
        view=dict(
            num_prototypes=131072,
            bottleneck_channels=384,
            centering=dict(_delete_=True, type='SinkhornKnopp', iterations=3),
        ),
        patch=dict(
            tied_to=None,
            num_prototypes=131072,
            bottleneck_channels=256,  # the published config widens that of the view head alone
            centering=dict(_delete_=True, type='SinkhornKnopp', iterations=3),
        ),
    ),
)
