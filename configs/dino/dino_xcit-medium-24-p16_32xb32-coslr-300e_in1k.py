"""DINO, XCiT-M24/16 of timm, 300 epochs on ImageNet-1k, by the boosted recipe of ViT-S/16.

Paper: Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294; the network:
    XCiT: Cross-Covariance Image Transformers, arXiv 2106.09681.
Command, on each of four nodes (NODE_RANK from 0, MASTER_ADDR the first's address):
    NNODES=4 bash tools/dist_train.sh \
        configs/dino/dino_xcit-medium-24-p16_32xb32-coslr-300e_in1k.py 8
Published result: k-NN 76.4, linear 78.8 (top-1; README of DINO's code).
Settings: not known for the published run, see dino_xcit-small-12-p16_16xb64-coslr-300e_in1k.py.
One GPU, same global batch: --cfg-options optim_wrapper.accumulative_counts=32
    (batch norm then sees 32 images, not 1024).
"""

_base_ = ['./dino_xcit-small-12-p16_16xb64-coslr-300e_in1k.py']

model = dict(
    backbone=dict(model_name='xcit_medium_24_p16_224'), heads=dict(view=dict(in_channels=512))
)
train_dataloader = dict(batch_size=32)
