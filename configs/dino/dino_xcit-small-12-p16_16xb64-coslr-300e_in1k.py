"""DINO, XCiT-S12/16 of timm, 300 epochs on ImageNet-1k, by the boosted recipe of ViT-S/16.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294; the network:
    XCiT: Cross-Covariance Image Transformers, arXiv 2106.09681.
Command, on both of two nodes (NODE_RANK=0 and 1, MASTER_ADDR the first's address):
    NNODES=2 bash tools/dist_train.sh \
        configs/dino/dino_xcit-small-12-p16_16xb64-coslr-300e_in1k.py 8 --amp
Published result: k-NN 76.0, linear 77.8 (top-1; README of DINO's code).
Settings: those of the published run are not known here, neither epochs nor batch; these are
    ViT-S/16's, so the published result may need others.
Needs timm: pip install timm
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=16
    (batch norm then sees 64 images, not 1024).
"""

_base_ = ['./dino_vit-small-p16_16xb64-coslr-300e_in1k.py']

model = dict(
    backbone=dict(  # 384 wide, as ViT-S
        _delete_=True, type='TIMMBackbone', model_name='xcit_small_12_p16_224', drop_path_rate=0.1
    )
)
# batch norm, in its patch embedding and local blocks, over all GPUs
sync_bn = 'torch'
