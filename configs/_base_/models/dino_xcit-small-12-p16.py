"""XCiT-S12/16 of timm with DINO's head: 25.9 M parameters in the backbone, 22.3 M in the head.

The view feature is the class token. Needs timm: pip install timm
"""

_base_ = ['./dino_vit-small-p16.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='TIMMBackbone',
        model_name='xcit_small_12_p16_224',
        drop_path_rate=0.1,
    ),
    heads=dict(view=dict(in_channels=384)),
)

# batch norm, in its patch embedding and local blocks, over all GPUs
sync_bn = 'torch'
