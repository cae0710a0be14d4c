"""EsViT's Swin-S, window 7 (48.8 M parameters)."""

_base_ = ['./esvit_swin-tiny-w7.py']

model = dict(backbone=dict(arch='small', drop_path_rate=0.2))
