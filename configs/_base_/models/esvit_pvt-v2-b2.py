"""PVT v2-B2 of timm (24.8 M parameters) with DINO's head; the last map is 512 wide.

The paper's ablation has the first PVT with 2-2-6-2 blocks, which timm does not have.
"""

_base_ = ['./dino_vit-small-p16.py']

model = dict(
    backbone=dict(_delete_=True, type='TIMMBackbone', model_name='pvt_v2_b2', drop_path_rate=0.1),
    heads=dict(view=dict(in_channels=512)),
)
