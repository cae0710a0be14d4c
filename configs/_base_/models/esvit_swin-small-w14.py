"""EsViT's Swin-S, window 14 (49.0 M parameters)."""

_base_ = ['./esvit_swin-tiny-w14.py']

model = dict(backbone=dict(arch='small', drop_path_rate=0.2))
