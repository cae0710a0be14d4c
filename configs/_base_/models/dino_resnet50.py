"""ResNet-50 with DINO's head: 23.5 M parameters in the backbone, 25.8 M in the head."""

_base_ = ['./dino_vit-small-p16.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=50,
        zero_init_residual=False,  # as torchvision's, which the published code takes
    ),
    heads=dict(view=dict(in_channels=2048)),
)

# batch norm over all GPUs, as published; student and teacher each by their own batch
sync_bn = 'torch'
