"""EsViT's Swin-B, window 7 (86.7 M parameters), whose features are 1024 wide."""

_base_ = ['./esvit_swin-small-w7.py']

region_head = dict(in_channels=1024)
model = dict(backbone=dict(arch='base'), heads=dict(view=dict(in_channels=1024)))
